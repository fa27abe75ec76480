from pathlib import Path

import pytest
from source_tree import ROOT, Project, modules


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
