from pathlib import Path

import pytest
from source_tree import ROOT, Project, modules


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process reads the source tree for all of these."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("architecture"))


ROOMS = ("shared", "services/*", "client", "cli")


@pytest.fixture(scope="session")
def project() -> Project:
    sources = modules(*(f"{room}/src/**/*.py" for room in ROOMS), "examples/agents/**/*.py")
    tests = modules(*(f"{room}/tests/**/*.py" for room in ROOMS), "tests/**/*.py")
    return Project(sources, tests)


@pytest.fixture(scope="session")
def services() -> list[Path]:
    """The package folder of every service."""
    return sorted(path.parent for path in ROOT.glob("services/*/src/*/__init__.py"))
