"""Commands that a page tells its reader to type, typed."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_cli.parts import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "client" / "README.md",
    ROOT / "contracts" / "README.md",
    ROOT / "docs" / "README.md",
    ROOT / "docs" / "command-line.md",
    *sorted(ROOT.glob("docs/tutorials/*.md")),
    *sorted(ROOT.glob("services/*/README.md")),
]
# A page that is one journey has a test of its own that makes it.
PASTED = [
    page
    for page in PAGES
    if page.parent.name != "tutorials" and not (page.parent / "tests" / "test_readme.py").exists()
]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGETS = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


def told(page: Path, program: str) -> list[str]:
    """The command lines of the page that call `program`, without their comments."""
    lines = (line.partition(" #")[0].strip() for block in blocks(page) for line in block.splitlines())
    return [line for line in lines if line.startswith(f"{program} ")]


def on(mesh: EmbeddedMesh, script: str) -> str:
    """The script as if the mesh were the one of `make dev`."""
    for service, port in Ports().services.items():
        script = script.replace(f"127.0.0.1:{port}", mesh.url(service).removeprefix("http://"))
    return script.replace(".mesh/dev", str(mesh.state_dir))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_is_there(page: Path):
    for command in told(page, "make"):
        assert command.split()[1] in TARGETS, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.xdist_group("mesh")
@pytest.mark.parametrize("page", PASTED, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_paste_works_as_pasted(page: Path, mesh: EmbeddedMesh, storefront: str):
    for block in blocks(page):
        if "curl" in block:
            # A refusal is an answer that was not promised.
            script = on(mesh, block).replace("curl -s", "curl -sS --fail-with-body")
            done = subprocess.run(
                ["/bin/bash", "-euo", "pipefail", "-c", script],
                capture_output=True,
                text=True,
                timeout=120,
                cwd=ROOT,
                check=False,
                env=dict(os.environ),
            )

            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def test_the_help_lists_every_target():
    show = ["/usr/bin/make", "--no-print-directory", "help"]  # quiet when make runs the tests, too
    done = subprocess.run(show, capture_output=True, text=True, check=True, cwd=ROOT)

    assert [line.split()[0] for line in done.stdout.splitlines()] == TARGETS
