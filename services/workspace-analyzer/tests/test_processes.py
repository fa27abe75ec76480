"""Foreign programs end when they should, with everything that they started, on both event loops."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters.processes import Output, OutputLimitExceeded, remove, run

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


async def sh(
    script: str, folder: Path, *, output: Output | None = None, **options: object
) -> tuple[int, str]:
    output = output or Output(1000, 1000)
    settings: dict[str, object] = {"cwd": folder, "env": ENVIRONMENT, "timeout_s": 10.0} | options
    code = await run(["/bin/sh", "-c", script], output=output, **settings)  # type: ignore[arg-type]
    return code, output.text


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


async def dies(pid: int) -> None:
    async with asyncio.timeout(60):
        while is_alive(pid):
            await asyncio.sleep(0.01)


async def pid_in(file: Path) -> int:
    async with asyncio.timeout(60):
        while not (file.exists() and file.read_text().strip()):
            await asyncio.sleep(0.01)
    return int(file.read_text())


async def test_a_program_gives_its_code_and_its_words(tmp_path: Path):
    assert await sh("echo hello; echo world >&2; exit 3", tmp_path) == (3, "hello\nworld\n")


async def test_errors_can_be_kept_apart(tmp_path: Path):
    errors = Output(1000, 1000)

    code, said = await sh("echo hello; echo world >&2", tmp_path, errors=errors)

    assert (code, said, errors.text) == (0, "hello\n", "world\n")


async def test_input_reaches_the_program_and_its_absence_too(tmp_path: Path):
    assert await sh("cat", tmp_path, given=b"x" * 900) == (0, "x" * 900)
    assert await sh("cat", tmp_path) == (0, "")


async def test_a_program_that_reads_no_input_is_no_error(tmp_path: Path):
    assert await sh("exit 0", tmp_path, given=b"x" * 1_000_000) == (0, "")


async def test_a_program_sees_only_the_environment_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MESH_SECRET", "canary")

    _, said = await sh("env", tmp_path, env=ENVIRONMENT | {"NX_DAEMON": "false"})

    assert "canary" not in said
    assert "NX_DAEMON=false" in said


async def test_of_long_output_the_end_is_kept(tmp_path: Path):
    output = Output(limit_bytes=100_000, kept_bytes=10)

    await sh("seq 1 1000", tmp_path, output=output)

    assert output.text == "\n999\n1000\n"


async def test_endless_output_ends_the_program(tmp_path: Path):
    output = Output(limit_bytes=100_000, kept_bytes=10)

    with pytest.raises(OutputLimitExceeded):
        await sh(f"echo $$ > {tmp_path}/pid; yes", tmp_path, output=output)

    await dies(await pid_in(tmp_path / "pid"))


async def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path):
    script = f"sleep 100 & echo $! > {tmp_path}/pid; wait"

    with pytest.raises(TimeoutError):
        await sh(script, tmp_path, timeout_s=0.5)

    await dies(await pid_in(tmp_path / "pid"))


async def test_what_a_program_leaves_behind_is_killed_when_it_ends(tmp_path: Path):
    async with asyncio.timeout(60):
        code, said = await sh(f"sleep 100 & echo $! > {tmp_path}/pid; echo done", tmp_path)

    assert (code, said) == (0, "done\n")
    await dies(await pid_in(tmp_path / "pid"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to whom we say")
async def test_what_left_its_session_is_killed_too(tmp_path: Path):
    script = f"setsid sh -c 'setsid sleep 100 & echo $! > {tmp_path}/pid' & sleep 100"

    with pytest.raises(TimeoutError):
        await sh(script, tmp_path, timeout_s=0.5)

    await dies(await pid_in(tmp_path / "pid"))


async def test_a_program_that_a_signal_ends_has_failed(tmp_path: Path):
    code, _ = await sh("kill -TERM $$", tmp_path)

    assert code == 128 + signal.SIGTERM


async def test_a_cancelled_wait_kills_the_program(tmp_path: Path):
    waiting = asyncio.create_task(sh(f"echo $$ > {tmp_path}/pid; sleep 100", tmp_path))
    pid = await pid_in(tmp_path / "pid")

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    await dies(pid)


async def test_a_program_dies_with_us_even_when_we_are_killed(tmp_path: Path):
    program = f"setsid sleep 100 & echo $! > {tmp_path}/pid; wait"
    arguments = f"cwd=Path('/'), env={ENVIRONMENT}, timeout_s=60, output=Output(9, 9)"
    script = f"""
import asyncio
from pathlib import Path
from mesh_workspace_analyzer.adapters.processes import Output, run
asyncio.run(run(["/bin/sh", "-c", {program!r}], {arguments}))
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    pid = await pid_in(tmp_path / "pid")
    parent.kill()
    await parent.wait()

    await dies(pid)


def test_words_are_text_that_a_database_takes():
    output = Output(100, 100)
    output.write(b"a\0b\xff\n")

    assert output.text == "ab\N{REPLACEMENT CHARACTER}\n"


async def test_a_folder_is_deleted_however_deep_it_is(tmp_path: Path):
    for depth in range(1, 1100):
        os.mkdir(f"{tmp_path}/{'d/' * depth}")

    await remove(tmp_path / "d")

    assert list(tmp_path.iterdir()) == []


async def test_deleting_follows_no_link_and_takes_what_is_not_there(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "link").symlink_to(tmp_path / "mine")

    await remove(tmp_path / "scratch")
    await remove(tmp_path / "scratch")

    assert (tmp_path / "mine" / "file").exists()


@pytest.mark.parametrize("stream", ["1", "2"])
async def test_each_stream_has_a_limit_of_its_own(tmp_path: Path, stream: str):
    output, errors = Output(1000, 10), Output(1000, 10)

    with pytest.raises(OutputLimitExceeded):
        await sh(f"yes >&{stream}", tmp_path, output=output, errors=errors)


async def test_a_program_that_will_not_end_by_itself_is_killed(tmp_path: Path):
    script = f"trap '' TERM INT HUP; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"

    with pytest.raises(TimeoutError):
        await sh(script, tmp_path, timeout_s=0.5)

    await dies(await pid_in(tmp_path / "pid"))


async def test_a_program_that_closes_its_output_still_has_its_time(tmp_path: Path):
    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError):
            await sh("exec >&- 2>&-; sleep 100", tmp_path, timeout_s=0.5)


async def test_many_programs_at_once_keep_their_words_apart(tmp_path: Path):
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(sh(f"echo {n}", tmp_path)) for n in range(10)]

    assert [task.result() for task in running] == [(0, f"{n}\n") for n in range(10)]


async def test_a_program_that_is_not_there_has_failed(tmp_path: Path):
    code = await run(
        [tmp_path / "nowhere"], cwd=tmp_path, env=ENVIRONMENT, timeout_s=10, output=Output(9000, 9000)
    )

    assert code != 0
