"""`mesh sdl compile`: a line for every file, whatever the file is, and an exit code for scripts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mesh_deployer.adapters.commands import sdl
from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.schemas.sdl import HELLO


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.yaml"
    path.write_text(HELLO)
    return path


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_compiled_file_is_one_line_with_manifest_groups_and_hash(
    hello: Path, capsys: pytest.CaptureFixture[str]
):
    code = sdl(["compile", str(hello), "--json"])

    compilation = compile_sdl(HELLO)
    assert code == 0
    assert lines(capsys) == [
        {
            "file": str(hello),
            "ok": True,
            "version_hash": compilation.version_hash,
            "manifest": manifest(compilation.groups),
            "groups": group_specs(compilation.groups),
            "issues": [],
        }
    ]


def test_one_file_that_is_not_compiled_makes_a_one_and_the_others_are_shown(
    hello: Path, capsys: pytest.CaptureFixture[str]
):
    bad = hello.with_name("bad.yaml")
    bad.write_text(HELLO.replace("size: 128Mi", "size: 128MB"))

    code = sdl(["compile", "--json", str(bad), str(hello)])

    first, second = lines(capsys)
    assert (code, first["ok"], second["ok"]) == (1, False, True)
    assert first == {
        "file": str(bad),
        "ok": False,
        "issues": [
            {
                "path": "profiles.compute.web.resources.memory.size",
                "code": "quantity",
                "message": "Memory: not a size that Akash reads.",
                "hint": "Write 128Mi.",
                "severity": "error",
            }
        ],
    }


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"a: 1\n" * 2_000_000, "too-large"),
        (b"a: \xff\xfe", "yaml"),
        (b"\x00\x01\x02", "yaml"),
        (b"a:\n\t- b", "yaml"),
        (b"[" * 60_000, "too-deep"),
        (None, "unreadable"),
    ],
    ids=["empty", "10 MB", "not UTF-8", "binary", "tab", "deep", "absent"],
)
def test_a_file_that_is_no_sdl_is_an_issue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, code: str
):
    path = tmp_path / "any.yaml"
    if content is not None:
        path.write_bytes(content)

    assert sdl(["compile", "--json", str(path), str(tmp_path), "no\0name"]) == 1

    assert [line["issues"][0]["code"] for line in lines(capsys)] == [code, "unreadable", "unreadable"]


def test_without_json_people_read_verdict_place_and_hint(hello: Path, capsys: pytest.CaptureFixture[str]):
    hello.write_text(HELLO.replace("    expose:", "    depends_on: [db]\n    expose:"))

    sdl(["compile", str(hello)])

    verdict, issue = capsys.readouterr().out.splitlines()
    assert verdict == f"{hello}: sha256 {compile_sdl(HELLO).version_hash}"
    assert issue.startswith("  warning  services.web.depends_on: ")
    assert issue.endswith("let the service wait for what it needs.")


def test_a_wrong_call_is_a_two(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        sdl(["compile"])

    assert ended.value.code == 2
    assert "FILE" in capsys.readouterr().err


def test_compiling_loads_no_web_framework():
    check = "import sys, mesh_deployer.adapters.commands; sys.exit('fastapi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=60).returncode == 0
