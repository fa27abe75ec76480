import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mesh_cli import processes
from mesh_cli.processes import ProcessDied

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
# Shells start what is in their background deaf to interrupts, and so is what that starts.
LASTING = ["env", "--default-signal=INT", "sleep", "60"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('up', flush=True); time.sleep(60)",
]
PARENT = """
import sys
from pathlib import Path
from mesh_cli import processes
child = processes.start("child", [sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
print(child.popen.pid, flush=True)
input()
"""

WATCHING = """
import sys
from mesh_cli import processes
with processes.ends_with_us(int(sys.argv[1])):
    print("up", flush=True)
    input()
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_up(log: Path) -> Callable[[], bool]:
    return lambda: log.exists() and "up" in log.read_text()


def test_a_stopped_process_is_gone(tmp_path: Path):
    process = processes.start("sleeper", SLEEPER, tmp_path / "log")
    process.wait_until(is_up(tmp_path / "log"), 10)

    process.stop()

    assert process.popen.returncode == -signal.SIGTERM


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path):
    process = processes.start("stubborn", STUBBORN, tmp_path / "log")
    process.wait_until(is_up(tmp_path / "log"), 10)

    process.stop(grace_s=0.2)

    assert process.popen.returncode == -signal.SIGKILL


def test_stopping_takes_the_children_of_the_process_too(tmp_path: Path):
    script = f"sleep 60 & echo $! > {tmp_path}/child; echo up; wait"
    process = processes.start("family", ["sh", "-c", script], tmp_path / "log")
    process.wait_until(is_up(tmp_path / "log"), 10)
    child = int((tmp_path / "child").read_text())

    process.stop()

    until(lambda: not is_alive(child))


def test_a_process_that_ends_before_it_is_ready_shows_its_last_words(tmp_path: Path):
    process = processes.start("broken", ["sh", "-c", "echo no such luck; exit 3"], tmp_path / "log")

    with pytest.raises(ProcessDied, match=r"broken ended with 3:\nno such luck"):
        process.wait_until(lambda: False, 10)


def test_a_process_that_is_never_ready_is_not_waited_for_for_ever(tmp_path: Path):
    process = processes.start("sleeper", SLEEPER, tmp_path / "log")

    with pytest.raises(TimeoutError, match="not ready within"):
        process.wait_until(lambda: False, 0.1)

    process.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_when_we_are_killed_our_children_die_with_us(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)

        parent.kill()
        parent.wait()

    until(lambda: not is_alive(child))


def test_when_we_are_killed_a_process_that_is_no_child_of_ours_ends_too():
    with (
        subprocess.Popen(LASTING) as stranger,
        subprocess.Popen(
            [sys.executable, "-c", WATCHING, str(stranger.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as watching,
    ):
        assert watching.stdout is not None
        watching.stdout.readline()

        watching.kill()

        assert stranger.wait(10) == -signal.SIGINT


def test_a_process_that_is_no_child_of_ours_is_let_be_after_the_block():
    with subprocess.Popen(LASTING) as stranger:
        with processes.ends_with_us(stranger.pid):
            assert stranger.poll() is None

        assert stranger.poll() is None
        stranger.kill()
