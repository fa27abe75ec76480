"""Whoever knows one service knows all."""

from pathlib import Path

from source_tree import Project

ROOMS = {
    "__init__",
    "__main__",
    "actions",
    "adapters",
    "api",
    "app",
    "domain",
    "errors",
    "events",
    "ports",
    "repository",
    "schemas",
    "service",
    "settings",
}
PAGES = {"__init__", "__main__", "adapters", "api", "app", "domain", "errors", "settings"}
"""The rooms of the console: it shows what the services say, and keeps and decides nothing."""
CONSOLE = "mesh_console"
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "managers", "lib"}


def test_there_are_five_services_and_a_console(services: list[Path]):
    assert [service.parents[1].name for service in services] == [
        "console",
        "coordinator",
        "deployer",
        "registry",
        "security-gateway",
        "workspace-analyzer",
    ]


def test_every_service_has_the_same_rooms(services: list[Path]):
    for service in services:
        rooms = {p.stem for p in service.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
        assert rooms == (PAGES if service.name == CONSOLE else ROOMS), service.name


def test_every_service_has_a_readme_migrations_and_tests(services: list[Path]):
    for service in services:
        home = service.parents[1]
        assert (home / "README.md").exists(), home.name
        assert bool(list(home.glob("migrations/*.py"))) is (service.name != CONSOLE), home.name
        assert list((home / "tests").glob("test_*.py")), home.name


def test_a_service_says_what_it_knows_and_what_it_never_knows(services: list[Path]):
    for service in services:
        assert "never knows" in (service / "__init__.py").read_text(), service.name


def test_no_file_has_a_name_that_says_nothing(project: Project):
    assert not [module.name for module in project.sources if module.path.stem in VAGUE]


def test_no_package_is_nested_deeper_than_three(project: Project):
    deep = [
        module.name
        for module in project.sources
        if "src" in module.path.parts and len(module.path.parts) - module.path.parts.index("src") > 5
    ]

    assert not deep


def test_test_folders_are_no_packages(project: Project):
    assert not [module.name for module in project.tests if module.path.stem == "__init__"]
