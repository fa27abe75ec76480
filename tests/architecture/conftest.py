from pathlib import Path

import pytest
from source_tree import ROOT, Project, modules


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process reads the source tree for all of these."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("architecture"))


@pytest.fixture(scope="session")
def project() -> Project:
    sources = modules(
        "shared/src/**/*.py", "services/*/src/**/*.py", "cli/src/**/*.py", "examples/agents/**/*.py"
    )
    tests = modules("shared/tests/**/*.py", "services/*/tests/**/*.py", "cli/tests/**/*.py", "tests/**/*.py")
    return Project(sources, tests)


@pytest.fixture(scope="session")
def services() -> list[Path]:
    """The package folder of every service."""
    return sorted(path.parent for path in ROOT.glob("services/*/src/*/__init__.py"))
