"""A process that is started from one that has loaded it is what it is when it is started by itself."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mesh_cli.zygote import Zygote

SERVICE = """
import os, sys, time

if __name__ == "__main__":
    print(os.environ["WORD"], len(os.environ), __name__, flush=True)
    if os.environ["WORD"] == "end":
        sys.exit(3)
    time.sleep(100)
"""


@pytest.fixture
def zygote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zygote]:
    package = tmp_path / "tiny"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SERVICE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    zygote = Zygote.of("tiny")
    yield zygote
    zygote.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_life_has_its_own_environment_and_appends_to_its_log(zygote: Zygote, tmp_path: Path):
    for _ in range(2):
        zygote.start({"WORD": "end"}, tmp_path / "log").wait()

    assert (tmp_path / "log").read_text() == "end 1 __main__\n" * 2


@pytest.mark.parametrize("asked", [1, 2])
def test_an_exit_code_is_told_as_often_as_it_is_asked_for(zygote: Zygote, tmp_path: Path, asked: int):
    life = zygote.start({"WORD": "end"}, tmp_path / "log")

    assert [life.wait() for _ in range(asked)] == [3] * asked


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_the_signal_that_ended_a_life_is_told(zygote: Zygote, tmp_path: Path, sig: signal.Signals):
    life = zygote.start({"WORD": "stay"}, tmp_path / "log")

    life.send(sig)

    assert life.wait() == -sig


def test_a_life_that_goes_on_is_not_waited_for_without_end(zygote: Zygote, tmp_path: Path):
    life = zygote.start({"WORD": "stay"}, tmp_path / "log")

    with pytest.raises(TimeoutError):
        life.wait(0.05)


def test_a_life_that_has_ended_takes_no_signal(zygote: Zygote, tmp_path: Path):
    life = zygote.start({"WORD": "end"}, tmp_path / "log")
    life.wait()

    life.kill()

    assert life.code == 3


async def test_no_life_outlives_the_zygote(zygote: Zygote, tmp_path: Path):
    life = zygote.start({"WORD": "stay"}, tmp_path / "log")
    log = tmp_path / "log"
    await until(lambda: log.exists() and "stay" in log.read_text())

    zygote.close()

    await until(lambda: not is_there(life.pid))
