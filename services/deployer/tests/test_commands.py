"""`mesh sdl compile`: a line for every file, whatever the file is, and an exit code for scripts."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mesh_deployer.adapters.commands import sdl
from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
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


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    path = tmp_path / "compose.yaml"
    path.write_text("services: {web: {image: 'nginx:${TAG}', ports: ['80'], restart: always}}")
    return path


def test_a_converted_file_is_an_sdl_on_one_stream_and_findings_on_the_other(
    compose: Path, capsys: pytest.CaptureFixture[str]
):
    code = sdl(["convert", str(compose), "--set", "TAG=1.27", "--price", "12.5"])

    shown = capsys.readouterr()
    (group,) = compile_sdl(shown.out).groups
    assert (code, Workload((group,)).images, group.ceiling) == (0, ("nginx:1.27",), Decimal("12.5"))
    assert "services.web.restart: Akash always restarts what ends." in shown.err


def test_what_was_pushed_is_named_in_the_shell(compose: Path, capsys: pytest.CaptureFixture[str]):
    assert sdl(["convert", str(compose), "--image", "web=ghcr.io/acme/web:1"]) == 0

    workload = Workload(compile_sdl(capsys.readouterr().out).groups)
    assert workload.images == ("ghcr.io/acme/web:1",)


def test_a_file_that_cannot_be_converted_is_a_one_with_the_reason(
    compose: Path, capsys: pytest.CaptureFixture[str]
):
    assert sdl(["convert", str(compose), "--json"]) == 1
    assert sdl(["convert", str(compose.with_name("absent"))]) == 1

    shown = capsys.readouterr()
    (line,) = map(json.loads, shown.out.splitlines())
    assert (line["ok"], line["sdl"]) == (False, None)
    assert ("services.web.image", "variable") in {(i["path"], i["code"]) for i in line["issues"]}
    assert "(document): No such file or directory." in shown.err


@pytest.mark.parametrize(
    "words", [["--set", "TAG"], ["--price", "free"], ["--price", "-1"], ["--price", "nan"]]
)
def test_a_value_that_is_none_is_a_wrong_call(compose: Path, words: list[str]):
    with pytest.raises(SystemExit) as ended:
        sdl(["convert", str(compose), *words])

    assert ended.value.code == 2


def test_two_files_are_compared_for_people_and_for_programs(hello: Path, capsys: pytest.CaptureFixture[str]):
    after = hello.with_name("after.yaml")
    after.write_text(HELLO.replace("trixie", "bookworm").replace("command:", "args:"))

    assert [sdl(["diff", str(hello), str(after)]), sdl(["diff", str(hello), str(after), "--json"])] == [0, 0]

    verdict, image, *_, line = capsys.readouterr().out.splitlines()
    assert verdict == "carried by: update"
    assert image == "  update     dcloud web image: debian:trixie-slim -> debian:bookworm-slim"
    assert [change["what"] for change in json.loads(line)["changes"]] == ["image", "command", "args"]


def test_a_file_that_does_not_compile_is_not_compared(hello: Path, capsys: pytest.CaptureFixture[str]):
    bad = hello.with_name("bad.yaml")
    bad.write_text("a: 1")

    assert sdl(["diff", str(hello), str(bad), "--json"]) == 1

    assert [line["file"] for line in lines(capsys)] == [str(bad)]
