"""The rules of static reading, one by one: patterns, ignored files, members, versions, places of imports."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters.static.ignored import visible
from mesh_workspace_analyzer.adapters.static.locator import BUILTIN, Locator, locator
from mesh_workspace_analyzer.adapters.static.matching import matching
from mesh_workspace_analyzer.adapters.static.packages import is_met_at_home, members, needs
from mesh_workspace_analyzer.adapters.static.tree import Tree, folder_of, inside
from mesh_workspace_analyzer.domain.globs import fits

PROJECTS: dict[str, dict[str, Any]] = {
    "api": {"root": "apps/api", "tags": ["scope:shop", "type:app"]},
    "api-e2e": {"root": "apps/api-e2e", "tags": ["type:e2e"]},
    "@shop/ui": {"root": "libs/ui", "tags": ["scope:shop", "type:lib"]},
    "@shop/cart": {"root": "libs/shop/cart", "tags": []},
    "cart_old": {"root": "libs/old"},
}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], []),
        ([""], []),
        (["api"], ["api"]),
        (["nowhere"], []),
        (["*"], list(PROJECTS)),
        (["*", "!api"], ["api-e2e", "@shop/ui", "@shop/cart", "cart_old"]),
        (["!api", "!*-e2e"], ["@shop/ui", "@shop/cart", "cart_old"]),
        (["api*"], ["api", "api-e2e"]),
        (["@shop/*"], ["@shop/ui", "@shop/cart"]),
        (["cart"], ["@shop/cart", "cart_old"]),
        (["CART_OLD"], ["cart_old"]),
        (["shop/cart"], []),
        (["tag:scope:shop"], ["api", "@shop/ui"]),
        (["tag:type:*"], ["api", "api-e2e", "@shop/ui"]),
        (["tag:none"], []),
        (["tag:scope:shop", "!api"], ["@shop/ui"]),
        (["!tag:scope:shop"], ["api-e2e", "@shop/cart", "cart_old"]),
        (["directory:libs/*"], ["@shop/ui", "cart_old"]),
        (["directory:libs/**"], ["@shop/ui", "@shop/cart", "cart_old"]),
        (["libs/*"], ["@shop/ui", "cart_old"]),
        (["apps/api"], ["api"]),
        (["name:api"], ["api"]),
        (["name:apps/api"], []),
        (["{api,cart_old}"], ["api", "cart_old"]),
        (["odd:thing"], []),
    ],
)
def test_a_pattern_names_the_projects_that_it_names_in_nx(patterns: list[str], names: list[str]):
    assert matching(patterns, PROJECTS) == names


@pytest.mark.parametrize(
    ("glob", "path", "with_dots", "without"),
    [
        ("packages/*", "packages/a", True, True),
        ("packages/*", "packages/a/b", False, False),
        ("packages/**", "packages/a/b", True, True),
        ("packages/*", "packages/.a", True, False),
        ("packages/.a", "packages/.a", True, True),
        ("**/a", "x/.y/a", True, False),
        ("{a,b}/c", "b/c", True, True),
        ("a", "a/b", False, False),
        ("[", "[", True, True),
        ("x" * 2000, "x" * 2000, False, False),
        ("{a,b}" * 20, "a" * 20, False, False),
    ],
)
def test_a_glob_names_exactly_a_path(glob: str, path: str, with_dots: bool, without: bool):
    assert fits(glob, path) is with_dots
    assert fits(glob, path, dot=False) is without


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        ("", {"a.ts", "libs/b.ts", "libs/dist/c.js", ".nxignore"}),
        ("dist", {"a.ts", "libs/b.ts", ".nxignore"}),
        ("/dist", {"a.ts", "libs/b.ts", "libs/dist/c.js", ".nxignore"}),
        ("libs/*\n!libs/b.ts", {"a.ts", "libs/b.ts", ".nxignore"}),
        ("# a.ts\n\n*.js", {"a.ts", "libs/b.ts", ".nxignore"}),
        ("**/b.ts", {"a.ts", "libs/dist/c.js", ".nxignore"}),
        ("dist/", {"a.ts", "libs/b.ts", ".nxignore"}),
        ("a.ts/", {"a.ts", "libs/b.ts", "libs/dist/c.js", ".nxignore"}),
        ("libs/dist", {"a.ts", "libs/b.ts", ".nxignore"}),
        ("libs\n!libs/b.ts", {"a.ts", ".nxignore"}),
        ("[ab].ts", {"libs/dist/c.js", ".nxignore"}),
        ("[!a].ts", {"a.ts", "libs/dist/c.js", ".nxignore"}),
        ("\\#x\n\\!y\na.ts   ", {"libs/b.ts", "libs/dist/c.js", ".nxignore"}),
        ("*", set[str]()),
    ],
)
def test_what_is_ignored_is_not_seen(ignored: str, left: set[str]):
    paths = ["a.ts", "libs/b.ts", "libs/dist/c.js", ".nxignore"]

    assert visible(paths, {".nxignore": ignored}) == left


def test_a_folder_s_own_ignore_file_counts_from_there():
    paths = ["a.ts", "libs/a.ts", "libs/x/a.ts", "libsx/a.ts"]

    assert visible(paths, {"libs/.gitignore": "/a.ts"}) == {"a.ts", "libs/x/a.ts", "libsx/a.ts"}


def test_a_hostile_ignore_file_is_answered_at_once():
    started = time.process_time()

    visible(
        ["a" * 250 + "b"] * 100, {".gitignore": "*a" * 100 + "\n" + "a*" * 60 + "c\n/" + "a*" * 60 + "c\n"}
    )

    assert time.process_time() - started < 5


def tree(**files: Any) -> Tree:
    texts = {name: text if isinstance(text, str) else json.dumps(text) for name, text in files.items()}
    return Tree(frozenset(texts), texts)


PLACES = ["package.json", "packages/a/package.json", "packages/a/b/package.json", "libs/c/package.json"]


@pytest.mark.parametrize(
    ("root", "extra", "found"),
    [
        ({}, {}, []),
        ({"workspaces": ["packages/*"]}, {}, ["packages/a/package.json"]),
        ({"workspaces": {"packages": ["packages/*"]}}, {}, ["packages/a/package.json"]),
        ({"workspaces": ["./packages/a/"]}, {}, ["packages/a/package.json"]),
        ({"workspaces": ["packages/a/package.json"]}, {}, ["packages/a/package.json"]),
        ({"workspaces": ["packages/**"]}, {}, ["packages/a/package.json", "packages/a/b/package.json"]),
        ({"workspaces": ["packages/**", "!packages/a/b"]}, {}, ["packages/a/package.json"]),
        (
            {"workspaces": ["!libs/*"]},
            {},
            ["package.json", "packages/a/package.json", "packages/a/b/package.json"],
        ),
        ({}, {"pnpm-workspace.yaml": "packages: [libs/*]"}, ["libs/c/package.json"]),
        ({}, {"lerna.json": "{}"}, ["packages/a/package.json"]),
        ({}, {"lerna.json": '{"packages": ["libs/*"]}'}, ["libs/c/package.json"]),
        ({"nx": {}}, {}, ["package.json"]),
        ({"nx": None}, {}, []),
        ({"workspaces": "packages/*"}, {}, []),
        ({"workspaces": [5, "libs/*"]}, {}, ["libs/c/package.json"]),
    ],
)
def test_members_are_told_by_the_globs_of_the_package_manager(
    root: dict[str, Any], extra: dict[str, str], found: list[str]
):
    is_member = members(tree(**{"package.json": root, **extra}))

    assert [path for path in PLACES if is_member(path)] == found


@pytest.mark.parametrize(
    ("wanted", "version", "is_met"),
    [
        ("*", None, True),
        ("workspace:*", None, True),
        ("workspace:^", "1.0.0", True),
        ("^1.0.0", "1.2.3", True),
        ("^1.0.0", "2.0.0", False),
        ("^1.0.0-alpha", "1.0.0-beta.1", True),
        (">=0.9", "1.0.0-beta", True),
        ("1.x || 2.x", "2.5.0", True),
        ("", "1.0.0", True),
        ("latest", "1.0.0", False),
        ("link:../lib", "1.0.0", False),
        ("file:../lib", None, True),
        ("file:../other", "1.0.0", False),
        ("^1.0.0", None, False),
        ("^1.0.0", 5, False),
        ("^1.0.0", "one", False),
        ("^1.0.0", "1" * 300, False),
        (">" * 300, "1.0.0", False),
    ],
)
def test_a_package_is_met_at_home_in_a_version_that_is_wanted(wanted: str, version: object, is_met: bool):
    assert is_met_at_home("libs/app/package.json", wanted, "libs/lib", version) is is_met


@given(
    st.text(alphabet="0123456789.xX*^~<>=|- v+ab", max_size=30),
    st.text(alphabet="0123456789.-+ab", max_size=12),
)
def test_no_range_is_too_odd(wanted: str, version: str):
    assert is_met_at_home("a/package.json", wanted, "b", version) in (True, False)


def test_the_section_that_counts_most_has_the_last_word():
    package = {
        "peerDependencies": {"a": "1"},
        "dependencies": {"a": "2", "b": 5},
        "devDependencies": {"c": "3"},
    }

    assert needs(package) == {"a": "2", "c": "3"}
    assert needs(package, ("peerDependencies",)) == {"a": "1"}


def project(name: str, root: str, package: dict[str, Any] | None = None, *, is_member: bool = True) -> Any:
    return {"name": name, "root": root, "js": package and {"package": package, "is_member": is_member}}


def places(**options: Any) -> Locator:
    projects = [
        project("top", "."),
        project("web", "apps/web"),
        project("ui", "libs/ui", {"name": "@s/ui", "exports": {".": "./a", "./x/*.js": "./b", "./no": None}}),
        project("old", "libs/old", {"name": "old-lib", "main": "x.js"}),
        project("loose", "libs/loose", {"name": "loose-lib", "main": "x.js"}, is_member=False),
        project("bare", "libs/bare", {"name": "bare-lib"}),
        project("cond", "libs/cond", {"name": "cond-lib", "exports": {"import": "./x"}}),
        project("inner", "libs/ui/inner"),
    ]
    files = {"tsconfig.base.json": {"compilerOptions": options}, "libs/old/src/i.ts": ""}
    return locator(tree(**files), {one["name"]: one for one in projects})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("./x", "web"),
        ("..", "web"),
        ("../../../libs/ui/src/i", "ui"),
        ("../../../libs/ui", "ui"),
        ("../../../libs/ui/inner/x", "inner"),
        ("../../../libs/uix", "top"),
        ("../../../../../x", "top"),
        ("../node_modules/x/y", None),
        ("@s/ui", "ui"),
        ("@s/ui/x/deep.js", "ui"),
        ("@s/ui/x/deep.ts", None),
        ("@s/ui/no", None),
        ("@s/ui/other", None),
        ("old-lib", "old"),
        ("old-lib/sub", None),
        ("loose-lib", None),
        ("bare-lib", None),
        ("cond-lib", "cond"),
        ("react", None),
        ("fs", None),
        ("node:fs/promises", None),
        ("bun:test", None),
        ("", None),
    ],
)
def test_an_import_leads_to_a_project(name: str, found: str | None):
    assert places().find(name, "apps/web/src/i.ts") == found


@pytest.mark.parametrize(
    ("paths", "name", "found"),
    [
        ({"@a": ["libs/ui/src/i.ts"]}, "@a", "ui"),
        ({"@a": ["libs/ui/src/i.ts"]}, "@a/b", None),
        ({"@a/*": ["libs/*"]}, "@a/old/x", "old"),
        ({"@a/*": ["libs/*"]}, "@a/", "top"),
        ({"@a/*": ["./libs/*/src"]}, "@a/ui", "ui"),
        ({"*": ["libs/*"]}, "ui", "ui"),
        ({"@a/*": ["libs/old/*"], "@a/b/*": ["libs/ui/*"]}, "@a/b/c", "ui"),
        ({"@a/*/x": ["libs/*"]}, "@a/ui/x", "ui"),
        ({"@a/*/x": ["libs/*"]}, "@a/ui/y", None),
        ({"@*/*": ["libs/*"]}, "@a/ui", None),
        ({"@a": ["${configDir}/src"]}, "@a", "web"),
        ({"@a": ["node_modules/x/y", "libs/old/x"]}, "@a", "old"),
        ({"fs": ["libs/ui/x"]}, "fs", "ui"),
        ({"@a": "libs/ui"}, "@a", None),
        ({"@a": []}, "@a", None),
    ],
)
def test_an_alias_of_the_tsconfig_leads_to_a_project(paths: dict[str, Any], name: str, found: str | None):
    assert places(paths=paths).find(name, "apps/web/src/i.ts") == found


@pytest.mark.parametrize(
    ("base_url", "name", "found"),
    [
        (".", "libs/old/src/i", "old"),
        (".", "libs/old/src/none", None),
        ("libs", "old/src/i", "old"),
        ("./libs/old", "src/i.ts", "old"),
        (None, "libs/old/src/i", None),
        (5, "libs/old/src/i", None),
    ],
)
def test_with_a_base_url_a_name_is_a_path_of_a_file_that_is_there(
    base_url: object, name: str, found: str | None
):
    assert places(baseUrl=base_url).find(name, "apps/web/src/i.ts") == found


def test_what_node_has_itself_is_no_project_of_that_name():
    assert {"fs", "path", "util", "events"} <= BUILTIN


@pytest.mark.parametrize(
    ("path", "folder"), [("a", "."), ("a/b", "a"), ("a/b/c", "a/b"), ("package.json", ".")]
)
def test_a_file_is_inside_of_its_folder(path: str, folder: str):
    assert folder_of(path) == folder
    assert inside(folder, path.rpartition("/")[2]) == path


def test_files_are_found_by_their_name():
    found = tree(**{"b/x.json": "{}", "x.json": "{}", "a/x.json": "{}", "a/y.json": "{}"})

    assert list(found.named("x.json")) == ["a/x.json", "b/x.json", "x.json"]
    assert found.json("nowhere") == found.yaml("nowhere") == found.toml("nowhere") == {}
