"""The room for the code of a workspace: what it reaches there, and what it does not."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_cli import parts
from mesh_shared.testing import running
from mesh_workspace_analyzer.adapters.folders import stores
from mesh_workspace_analyzer.adapters.processes import Output, run
from mesh_workspace_analyzer.adapters.sandbox import MAX_MEMORY_BYTES, Bubblewrap
from mesh_workspace_analyzer.adapters.sources import GitSources

Tiny = Callable[..., Path]
MakeApp = Callable[..., FastAPI]
Say = Callable[..., Any]


@pytest.fixture(scope="session")
def can_sandbox() -> None:
    if parts.sandbox() == "none":
        pytest.skip("bubblewrap is missing, or this kernel lets nobody make user namespaces")


@pytest.fixture
def box(scratch: Path, can_sandbox: None) -> Bubblewrap:
    (scratch / "mine").mkdir()
    (scratch / "others").mkdir()
    (scratch / "others" / "secret").write_text("canary")
    return Bubblewrap(scratch.resolve())


async def said(
    box: Bubblewrap, script: str, readable: Mapping[Path, Path] | None = None, timeout_s: float = 20
) -> str:
    """What a shell says in the room, with its exit code as the last word."""
    output = Output(100_000, 100_000)
    inside = box.scratch / "mine"
    argv = box.argv(["/bin/sh", "-c", script], inside=inside, readable=readable or {})
    code = await run(argv, cwd=inside, env={"PATH": "/usr/bin:/bin"}, timeout_s=timeout_s, output=output)
    return f"{output.text}{code}"


async def test_a_room_can_be_made(box: Bubblewrap):
    assert await box.works()


async def test_without_the_program_no_room_can_be_made(scratch: Path):
    assert not await Bubblewrap(scratch, program="no-such-program").works()


async def test_a_program_that_cannot_make_one_is_found_out(scratch: Path, tmp_path: Path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    assert not await Bubblewrap(scratch, program=str(broken)).works()


async def test_its_own_folder_can_be_written_to(box: Bubblewrap):
    assert await said(box, "echo built > out && cat out") == "built\n0"
    assert (box.scratch / "mine" / "out").read_text() == "built\n"


@pytest.mark.parametrize("place", ["/usr/x", "/etc/x", "/x", "/proc/sys/kernel/hostname"])
async def test_nothing_else_can_be_written_to(box: Bubblewrap, place: str):
    # bubblewrap's own root is a tmpfs: what is written there is gone with the room.
    await said(box, f"echo x > {place}")

    assert not Path("/x").exists()
    assert not Path("/usr/x").exists()
    assert not Path("/etc/x").exists()
    assert socket.gethostname() != "x"


async def test_other_workspaces_and_secrets_cannot_be_read(box: Bubblewrap, tmp_path: Path):
    (tmp_path / "secret").write_text("canary")
    places = [box.scratch / "others" / "secret", tmp_path / "secret", "/etc/shadow", "/root", "/home"]

    for place in places:
        answer = await said(box, f"cat {place} || ls {place}")
        assert "canary" not in answer
        assert not answer.endswith("0")


async def test_what_it_needs_can_be_read_and_not_written_to(box: Bubblewrap, tmp_path: Path):
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "tool").write_text("a tool")

    (box.scratch / "mine" / "there").mkdir()
    place = {box.scratch / "mine" / "there": packages}
    assert await said(box, "cat there/tool", place) == "a tool0"
    assert not (await said(box, "echo x > there/tool", place)).endswith("0")
    assert (packages / "tool").read_text() == "a tool"


async def test_there_is_no_network_not_even_to_this_machine(box: Bubblewrap):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        answer = await said(box, f"bash -c 'echo > /dev/tcp/127.0.0.1/{port}'")

        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not answer.endswith("0")


async def test_nobody_else_s_processes_are_seen(box: Bubblewrap):
    answer = await said(box, "ls -d /proc/[0-9]* | wc -l; kill -9 " + str(os.getpid()))

    assert int(answer.split()[0]) < 10


async def test_it_is_nobody_without_rights(box: Bubblewrap):
    answer = await said(box, "id -u; grep CapEff /proc/self/status; mount -t tmpfs none /usr; echo")

    assert answer.split()[0] == "65534"
    assert "CapEff:\t0000000000000000" in answer


async def test_it_writes_no_core_files_and_no_endless_one(box: Bubblewrap):
    answer = await said(box, "ulimit -c; ulimit -f")

    assert answer.split()[:2] == ["0", str((2 << 30) // 512)]


async def test_a_process_gets_no_more_memory_than_the_limit(box: Bubblewrap):
    hog = f"python3 -IS -c 'bytearray({MAX_MEMORY_BYTES})' 2>&1 | tail -1"

    assert (await said(box, hog)).startswith("MemoryError")
    assert (await said(box, "python3 -IS -c 'bytearray(1 << 20)'")) == "0"


def test_a_room_has_no_more_processes_than_the_limit(can_sandbox: None):
    """Linux does not count those of root, so somebody else asks."""
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all"
    said: list[str] = []
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for most in (8, 80):
            box = Bubblewrap(Path(folder).resolve(), most_processes=most)
            argv = box.argv(["/bin/sh", "-c", script], inside=box.scratch)
            someone = 65534 if os.getuid() == 0 else None
            done = subprocess.run(argv, user=someone, capture_output=True, timeout=60, check=False, text=True)
            said.append(f"{done.stdout}{'fork' in done.stderr}")

    assert said == ["True", "all\nFalse"]


async def test_everything_in_it_ends_with_its_time(box: Bubblewrap):
    mark = box.scratch / "mine" / "mark"
    script = f"(setsid sh -c 'while :; do date +%N > {mark}; sleep 0.01; done' &) ; sleep 100"

    with pytest.raises(TimeoutError):
        await said(box, script, timeout_s=1)

    before = mark.read_text()
    await asyncio.to_thread(os.sync)
    assert mark.read_text() == before


def test_the_stores_that_a_repository_borrows_from_are_found_at_any_remove(tmp_path: Path):
    for name, borrowed in {"a": "../../b/objects", "b": f"# none\n{tmp_path}/c/objects\n", "c": None}.items():
        info = tmp_path / name / "objects" / "info"
        info.mkdir(parents=True)
        if borrowed:
            (info / "alternates").write_text(borrowed)

    found = [store.parent.name for store in stores(tmp_path / "a" / "objects")]

    assert found == ["b", "c"]


def test_stores_that_borrow_from_each_other_are_found_once(tmp_path: Path):
    for name, other in (("a", "b"), ("b", "a")):
        info = tmp_path / name / "objects" / "info"
        info.mkdir(parents=True)
        (info / "alternates").write_text(f"{tmp_path}/{other}/objects\n")

    assert stores(tmp_path / "a" / "objects") == [tmp_path / "b" / "objects"]


async def built(http: AsyncClient) -> dict[str, Any]:
    made = (await http.post("/v1/analyses", json={"workspace": "tiny"})).json()
    key = {"Idempotency-Key": "k1"}
    place = (await http.post(f"/v1/analyses/{made['id']}/builds", headers=key)).headers["location"]
    async with asyncio.timeout(90):
        while (build := (await http.get(place)).json())["success"] is None:
            await asyncio.sleep(0.05)
    return build


async def test_a_build_runs_in_such_a_room_with_its_history_and_its_packages(
    make_app: MakeApp, caller: dict[str, str], tiny: Tiny, nx: Path, tmp_path: Path, can_sandbox: None
):
    (tmp_path / "secret").write_text("canary")
    hidden = f"! cat {tmp_path}/secret && ! ls {tmp_path}/roots/tiny/libs"
    folder = tiny(
        b="true", a=f"cat node_modules/b/index.ts && id -u && git log --oneline && my-compiler && {hidden}"
    )
    tools = folder / "node_modules" / ".bin"
    tools.mkdir(parents=True)
    (folder / "node_modules" / "nx").symlink_to(nx.parents[2])
    (tools / "my-compiler").write_text("#!/bin/sh\necho compiled-by-mine\n")
    (tools / "my-compiler").chmod(0o755)
    (folder / "node_modules" / "b").symlink_to("../libs/b")
    (folder / ".gitignore").write_text("node_modules\n")

    async with running(make_app(allow_builds=True, sandbox="bubblewrap"), caller) as http:
        build = await built(http)

    assert build["success"] is True, build["log_tail"]
    for word in ("65534", "Change", "compiled-by-mine"):
        assert word in build["log_tail"]
    assert "canary" not in build["log_tail"]


async def test_a_committed_link_for_packages_opens_nothing_of_this_machine(
    sources: GitSources, tiny: Tiny, git: Callable[..., str], tmp_path: Path
):
    (tmp_path / "private").mkdir()
    folder = tiny(a="true")
    (folder / "node_modules").symlink_to(tmp_path / "private")
    git(folder, "add", "-f", "node_modules")
    git(folder, "commit", "-qm", "Plant")

    async with sources.open("tiny", base="main", head="HEAD") as source:
        assert not os.path.lexists(await source.copy(for_build=True) / "node_modules")


async def test_where_no_room_can_be_made_builds_are_refused(
    make_app: MakeApp, caller: dict[str, str], tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tiny(a="true")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(programs))

    async with running(make_app(allow_builds=True, sandbox="bubblewrap"), caller) as http:
        made = (await http.post("/v1/analyses", json={"workspace": "tiny"})).json()
        answer = await http.post(f"/v1/analyses/{made['id']}/builds", headers={"Idempotency-Key": "k1"})

    assert (answer.status_code, answer.json()["code"]) == (409, "builds-not-allowed")
    assert "MESH_SANDBOX" in json.dumps(answer.json())
