"""Projects and targets of an Nx workspace, put together from its files as Nx puts them together."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mesh_workspace_analyzer.adapters.static.nx_targets import from_package, merged, with_defaults
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Project, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target

Statically = Callable[[dict[str, str]], Awaitable[ProjectGraph]]
Read = Callable[[dict[str, Any]], Awaitable[ProjectGraph]]

ROOT: dict[str, Any] = {
    "nx.json": {},
    "package.json": {"name": "r", "workspaces": ["packages/*"], "devDependencies": {"@nx/js": "1"}},
}


@pytest.fixture
def read(statically: Statically) -> Read:
    async def written(files: dict[str, Any]) -> ProjectGraph:
        everything: dict[str, Any] = ROOT | files
        texts = {
            path: text if isinstance(text, str) else json.dumps(text) for path, text in everything.items()
        }
        return await statically(texts)

    return written


async def one(read: Read, files: dict[str, Any]) -> Project:
    (project,) = (await read(files)).projects
    return project


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"libs/Cart/project.json": {}}, "cart"),
        ({"libs/cart/project.json": {"name": "basket"}}, "basket"),
        (
            {"libs/cart/project.json": {}, "libs/cart/package.json": {"name": "@s/cart"}},
            "@s/cart",
        ),
        (
            {"libs/cart/project.json": {"name": "basket"}, "libs/cart/package.json": {"name": "@s/cart"}},
            "basket",
        ),
        ({"packages/cart/package.json": {"name": "@s/cart"}}, "@s/cart"),
        ({"packages/cart/package.json": {"name": "@s/cart", "nx": {"name": "basket"}}}, "basket"),
        ({"project.json": {}}, "r"),
    ],
)
async def test_a_project_has_the_name_that_says_most(read: Read, files: dict[str, Any], name: str):
    assert (await one(read, files)).name == name


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"a/project.json": {"projectType": "library"}}, "lib"),
        ({"a/project.json": {"projectType": "application"}}, "app"),
        ({"a/project.json": {"projectType": "application", "name": "a-e2e"}}, "e2e"),
        ({"a/project.json": {"projectType": "application", "name": "e2e"}}, "e2e"),
        ({"a/project.json": {}}, "lib"),
        ({"a/project.json": {}, "a/tsconfig.app.json": {}}, "app"),
        ({"a/project.json": {}, "a/tsconfig.lib.json": {}, "a/tsconfig.app.json": {}}, "lib"),
        ({"packages/a/package.json": {"name": "a"}}, "app"),
        ({"packages/a/package.json": {"name": "a", "main": "x.js"}}, "lib"),
        ({"packages/a/package.json": {"name": "a", "bin": "x.js"}}, "lib"),
        ({"packages/a/package.json": {"name": "a", "nx": {"projectType": "library"}}}, "lib"),
    ],
)
async def test_a_project_is_what_it_says_or_what_its_files_look_like(
    read: Read, files: dict[str, Any], kind: str
):
    assert (await one(read, files)).kind == kind


async def test_the_layout_of_a_workspace_tells_packages_apart(read: Read):
    graph = await read(
        {
            "nx.json": {"workspaceLayout": {"appsDir": "packages/app", "libsDir": "packages/lib"}},
            "packages/app-a/package.json": {"name": "a", "main": "x"},
            "packages/lib-b/package.json": {"name": "b"},
        }
    )

    assert {project.name: project.kind for project in graph.projects} == {"a": "app", "b": "lib"}


@pytest.mark.parametrize(
    ("package", "tags"),
    [
        ({}, ("npm:public",)),
        ({"private": True}, ("npm:private",)),
        ({"keywords": ["x", 5]}, ("npm:public", "npm:x")),
        ({"nx": {"tags": ["t", "t"]}}, ("npm:public", "t")),
    ],
)
async def test_a_package_has_tags(read: Read, package: dict[str, Any], tags: tuple[str, ...]):
    assert (await one(read, {"packages/a/package.json": {"name": "a"} | package})).tags == tags


async def test_tags_of_both_files_are_kept(read: Read):
    files = {
        "packages/a/package.json": {"name": "a", "private": True},
        "packages/a/project.json": {"tags": ["x"]},
    }

    assert (await one(read, files)).tags == ("npm:private", "x")


SCRIPTS = {"name": "a", "scripts": {"build": "tsc", "test": "jest"}}


@pytest.mark.parametrize(
    ("nx_json", "package", "own", "targets"),
    [
        ({}, SCRIPTS, {}, [Target("build"), Target("test")]),
        ({}, SCRIPTS | {"nx": {"includedScripts": ["test"]}}, {}, [Target("test")]),
        ({}, {}, {"lint": {"executor": "@x/y:z"}}, [Target("lint")]),
        ({}, {}, {"lint": {"command": "x", "cache": True}}, [Target("lint", (), cache=True)]),
        ({}, {}, {"nothing": {}}, []),
        ({}, {}, {"all": {"dependsOn": ["build"]}}, [Target("all", ("build",))]),
        ({}, SCRIPTS, {"build": {"dependsOn": ["^build"]}}, [Target("build", ("^build",)), Target("test")]),
        (
            {"targetDefaults": {"build": {"dependsOn": ["^build"], "cache": True}}},
            SCRIPTS,
            {},
            [Target("build", ("^build",), cache=True), Target("test")],
        ),
        (
            {"targetDefaults": {"build": {"dependsOn": ["^build"], "cache": True}}},
            SCRIPTS,
            {"build": {"cache": False}},
            [Target("build", ("^build",)), Target("test")],
        ),
        (
            {"targetDefaults": {"build": {"dependsOn": ["^build"]}}},
            SCRIPTS,
            {"build": {"dependsOn": ["lint", "..."]}},
            [Target("build", ("lint", "^build")), Target("test")],
        ),
        (
            {"targetDefaults": {"t*": {"cache": True}}},
            SCRIPTS,
            {},
            [Target("build"), Target("test", (), cache=True)],
        ),
        (
            {"targetDefaults": {"t*": {"cache": True}, "test": {"dependsOn": ["build"]}}},
            SCRIPTS,
            {},
            [Target("build"), Target("test", ("build",))],
        ),
        (
            {"targetDefaults": {"@x/y:z": {"cache": True}, "lint": {"dependsOn": ["build"]}}},
            {},
            {"lint": {"executor": "@x/y:z"}},
            [Target("lint", (), cache=True)],
        ),
        (
            {"targetDefaults": {"lint": {"executor": "@x/y:z", "cache": True}}},
            {},
            {"lint": {"executor": "@other/a:b"}},
            [Target("lint")],
        ),
        (
            {"targetDefaults": {"lint": {"executor": "@x/y:z", "cache": True}}},
            {},
            {"lint": {}},
            [Target("lint", (), cache=True)],
        ),
        (
            {"targetDefaults": {"test": [{"filter": {"projects": ["a"]}, "cache": True}]}},
            SCRIPTS,
            {},
            [Target("build"), Target("test", (), cache=True)],
        ),
        (
            {"targetDefaults": {"test": [{"filter": {"projects": ["b"]}, "cache": True}]}},
            SCRIPTS,
            {},
            [Target("build"), Target("test")],
        ),
        (
            {"targetDefaults": {"test": [{"filter": {"plugin": "@nx/jest"}, "cache": True}]}},
            SCRIPTS,
            {},
            [Target("build"), Target("test")],
        ),
        (
            {"targetDefaults": {"test": [{"filter": {"executor": "nx:run-script"}, "cache": True}]}},
            SCRIPTS,
            {},
            [Target("build"), Target("test", (), cache=True)],
        ),
        (
            {"targetDefaults": {"test": [{"cache": True}, {"dependsOn": ["build"]}]}},
            SCRIPTS,
            {},
            [Target("build"), Target("test", ("build",), cache=True)],
        ),
    ],
)
async def test_a_target_comes_of_defaults_scripts_and_both_files(
    read: Read, nx_json: dict[str, Any], package: dict[str, Any], own: dict[str, Any], targets: list[Target]
):
    files = {
        "nx.json": nx_json,
        "packages/a/package.json": {"name": "a"} | package,
        "packages/a/project.json": {"targets": own},
    }

    assert list((await one(read, files)).targets) == targets


def test_what_runs_something_else_takes_the_place_of_what_was_there():
    script = {"executor": "nx:run-script", "options": {"script": "build"}, "cache": True}

    assert merged(script, {"executor": "@x/y:z"}) == {"executor": "@x/y:z"}
    assert merged(script, {"command": "make"}) == {
        "executor": "nx:run-commands",
        "options": {"command": "make"},
    }
    assert merged(script, {"dependsOn": ["lint"]}) == script | {"dependsOn": ["lint"]}


@pytest.mark.parametrize(
    ("beside", "scripts"),
    [
        ({}, {"build", "test"}),
        ({"build": {"command": "make"}}, {"test"}),
        ({"build": {"executor": "@x/y:z"}}, {"test"}),
        ({"build": {"executor": "nx:run-script", "options": {"script": "other"}}}, {"test"}),
        ({"build": {"executor": "nx:run-script", "options": {"script": "build"}}}, {"build", "test"}),
        ({"build": {"dependsOn": ["x"]}}, {"build", "test"}),
    ],
)
def test_a_script_gives_way_to_a_target_that_runs_another_program(beside: dict[str, Any], scripts: set[str]):
    assert set(from_package(SCRIPTS, beside)) == scripts


def test_the_longest_pattern_of_the_defaults_counts():
    defaults = {"t*": {"cache": True}, "te*": {"dependsOn": ["build"]}}
    layers = [{"test": {"executor": "x:y"}}]

    found = with_defaults({"name": "a", "root": "a"}, layers, defaults)

    assert found == {"test": {"executor": "x:y", "dependsOn": ["build"]}}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["b"], {"b"}),
        (["*"], {"b", "c"}),
        (["*", "!c"], {"b"}),
        (["tag:t"], {"c"}),
        (["a", "b"], {"b"}),
        (["nx-cloud:other", "c"], {"c"}),
    ],
)
async def test_what_is_needed_without_an_import_may_be_a_pattern(
    read: Read, given: list[str], found: set[str]
):
    graph = await read(
        {
            "a/project.json": {"implicitDependencies": given},
            "b/project.json": {},
            "c/project.json": {"tags": ["t"]},
        }
    )

    assert graph.dependencies == tuple(
        Dependency("a", name, DependencyKind.IMPLICIT) for name in sorted(found)
    )


async def test_an_exception_takes_an_import_away(read: Read):
    files = {"a/project.json": {}, "a/x.ts": "import '../b/x';", "b/project.json": {}}

    with_import = await read(files)
    without = await read(files | {"a/project.json": {"implicitDependencies": ["!b"]}})

    assert with_import.dependencies == (Dependency("a", "b"),)
    assert without.dependencies == ()


async def test_a_lazy_import_beside_another_one_is_a_second_edge(read: Read):
    text = "import '../b/x'; await import('../b/y');"

    graph = await read({"a/project.json": {}, "a/x.ts": text, "b/project.json": {}})

    assert graph.dependencies == (Dependency("a", "b", DependencyKind.DYNAMIC), Dependency("a", "b"))


@pytest.mark.parametrize(
    ("root", "nx_json", "is_followed"),
    [
        ({"devDependencies": {"@nx/js": "1"}}, {}, True),
        ({"dependencies": {"@nx/react": "1"}}, {}, True),
        ({}, {}, False),
        ({"devDependencies": {"nx": "24"}}, {}, False),
        ({}, {"pluginsConfig": {"@nx/js": {"analyzeSourceFiles": True}}}, True),
        (
            {"devDependencies": {"@nx/js": "1"}},
            {"pluginsConfig": {"@nx/js": {"analyzeSourceFiles": False}}},
            False,
        ),
    ],
)
async def test_nx_looks_into_sources_where_a_plugin_for_them_is_installed(
    read: Read, root: dict[str, Any], nx_json: dict[str, Any], is_followed: bool
):
    files = {"a/project.json": {}, "a/x.ts": "import '../b/x';", "b/project.json": {}}

    graph = await read(files | {"package.json": root, "nx.json": nx_json})

    assert bool(graph.dependencies) is is_followed


async def test_nothing_but_the_root_needs_the_root_by_an_import(read: Read):
    files = {
        "project.json": {"name": "top"},
        "x.ts": "import './a/x';",
        "a/project.json": {},
        "a/y.ts": "import '../x';",
    }

    assert (await read(files)).dependencies == (Dependency("top", "a"),)


async def test_named_inputs_say_what_targets_read_elsewhere(read: Read):
    files = {
        "nx.json": {"namedInputs": {"shared": ["{workspaceRoot}/tools/**"]}},
        "a/project.json": {
            "namedInputs": {"own": ["shared", "{workspaceRoot}/a.txt", "{projectRoot}/x"]},
            "targets": {"build": {"command": "x", "inputs": ["own", {"fileset": "{workspaceRoot}/b"}]}},
        },
    }

    assert (await one(read, files)).workspace_inputs == ("a.txt", "b", "tools/**")
