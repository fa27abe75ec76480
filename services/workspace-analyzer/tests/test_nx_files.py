"""The two files of Nx: `nx.json` is made harmless whatever it holds, a graph is read or refused."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters.documents import MAX_BYTES
from mesh_workspace_analyzer.adapters.nx_files import (
    GLOBAL_FILES,
    HARMLESS,
    Configuration,
    defuse,
    graph,
)
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration

Defuse = Callable[[str], tuple[dict[str, Any], Configuration]]
FOR_EACH_EXAMPLE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
UNTYPED = sorted(HARMLESS - {"namedInputs"})
configurations = st.dictionaries(
    st.sampled_from(UNTYPED) | st.text(max_size=20), json_values, max_size=6
).filter(lambda members: not members.keys() & {"plugins", "namedInputs", "extends"})


@pytest.fixture
def defused(tmp_path: Path) -> Defuse:
    """Makes a text harmless; returns what Nx will read, and what was learnt."""

    def make(text: str) -> tuple[dict[str, Any], Configuration]:
        (tmp_path / "nx.json").write_text(text, "utf-8", errors="surrogatepass")
        configuration = defuse(tmp_path)
        return json.loads((tmp_path / "nx.json").read_text()), configuration

    return make


@FOR_EACH_EXAMPLE
@given(configurations)
def test_what_is_harmless_stays_as_it_is_and_nothing_else_stays(defused: Defuse, members: dict[str, Any]):
    left, _ = defused(json.dumps(members))

    assert left == {name: value for name, value in members.items() if name in HARMLESS}


@FOR_EACH_EXAMPLE
@given(configurations)
def test_comments_and_trailing_commas_change_nothing(defused: Defuse, members: dict[str, Any]):
    rows = [f"/* // */ {json.dumps(name)} : // , }}\n{json.dumps(members[name])} ," for name in members]

    left, _ = defused("{" + "\n".join(rows) + " /* end , ] */ }")

    assert left == {name: value for name, value in members.items() if name in HARMLESS}


@pytest.mark.parametrize(
    "name",
    [
        "plugins",
        "generators",
        "tasksRunnerOptions",
        "installation",
        "nxCloudAccessToken",
        "nxCloudId",
        "nxCloudUrl",
        "cli",
        "sync",
        "release",
        "migrations",
        "useDaemonProcess",
        "neverHeardOf",
    ],
)
def test_a_member_that_can_name_a_program_or_a_key_is_taken_out(defused: Defuse, name: str):
    left, _ = defused(json.dumps({name: ["./p.js"] if name == "plugins" else {"x": "./p.js"}}))

    assert left == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "5",
        "[]",
        '"text"',
        "{",
        '{"a": 1,,}',
        '{"a" 1}',
        "{'a': 1}",
        '{"plugins": 5}',
        '{"plugins": [5]}',
        '{"plugins": [{}]}',
        '{"plugins": [{"plugin": 5}]}',
        '{"plugins": {"plugin": "x"}}',
        '{"namedInputs": []}',
        '{"namedInputs": {"a": 5}}',
        '{"namedInputs": {"a": "b"}}',
        '{"extends": 5}',
        '{"extends": ["nx/presets/npm.json"]}',
        '{"extends": null}',
        '{"a": ' + "9" * 5000 + "}",
        '{"affected": ' + "[" * 990 + "]" * 990 + "}",
        '{"affected": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}",
        "/* " + "{}",
        '{"a": "',
    ],
)
def test_what_is_no_configuration_is_a_problem_that_names_the_file(defused: Defuse, text: str):
    with pytest.raises(BrokenProjectConfiguration) as refused:
        defused(text)

    assert refused.value.detail.startswith("nx.json: ")


@pytest.mark.parametrize("depth", range(100, 1000, 50))
def test_nesting_is_taken_or_refused_and_never_a_crash(defused: Defuse, depth: int):
    text = json.dumps({"affected": None}).replace("null", "[" * depth + "]" * depth)

    with suppress(BrokenProjectConfiguration):
        left, _ = defused(text)
        assert json.dumps(left) == text


def test_a_configuration_larger_than_anybody_writes_is_refused(defused: Defuse):
    with pytest.raises(BrokenProjectConfiguration, match="more than 1048576 bytes"):
        defused('{"affected": "' + "x" * MAX_BYTES + '"}')


def test_so_is_such_a_package_json(defused: Defuse, tmp_path: Path):
    (tmp_path / "package.json").write_text(" " * (MAX_BYTES + 1))

    with pytest.raises(BrokenProjectConfiguration, match=r"package\.json"):
        defused("{}")


@pytest.mark.parametrize("unit", ["/*", '"\\', '\\"', "//", ", ", "{", '"', "/* ", '",'])
def test_no_text_keeps_the_service_busy(defused: Defuse, unit: str):
    started = time.process_time()

    with pytest.raises(BrokenProjectConfiguration):
        defused(unit * (MAX_BYTES // len(unit) - 1))

    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("plugins", "told"),
    [
        (["@nx/vite"], "(@nx/vite)"),
        (["a", {"plugin": "b", "options": {"c": 1}}], "(a, b)"),
        (["x" * 500], "(" + "x" * 200 + ")"),
        (["\ud800"], "(?)"),
        (["späß"], "(späß)"),
    ],
)
def test_plugins_that_were_left_out_are_named(defused: Defuse, plugins: list[Any], told: str):
    _, configuration = defused(json.dumps({"plugins": plugins}))

    (gap,) = configuration.gaps
    assert told in gap
    assert gap.encode()


def test_without_plugins_nothing_is_missing(defused: Defuse):
    assert defused('{"plugins": []}')[1].gaps == ()


def test_a_byte_order_mark_is_no_error(defused: Defuse):
    assert defused('\ufeff{"npmScope": "shop"}')[0] == {"npmScope": "shop"}


NOTHING = Configuration({}, ())


def node(name: str, **data: Any) -> dict[str, Any]:
    return {"name": name, "type": "lib", "data": {"root": f"libs/{name}"} | data}


def described(*nodes: dict[str, Any], edges: tuple[tuple[str, str, str], ...] = ()) -> bytes:
    """What `nx graph --file` writes."""
    dependencies: dict[str, list[dict[str, str]]] = {found["name"]: [] for found in nodes}
    for source, target, kind in edges:
        dependencies.setdefault(source, []).append({"source": source, "target": target, "type": kind})
    found = {"nodes": {found["name"]: found for found in nodes}, "dependencies": dependencies}
    return json.dumps({"graph": found}).encode()


def test_projects_and_dependencies_are_in_order_whatever_order_nx_has(tmp_path: Path):
    names = ("c", "a", "b")
    edges = (("c", "b", "static"), ("b", "a", "implicit"), ("c", "a", "dynamic"))

    read = graph(described(*map(node, names), edges=edges), NOTHING, tmp_path)

    assert read.names == ("a", "b", "c")
    assert read.dependencies == (
        Dependency("b", "a", DependencyKind.IMPLICIT),
        Dependency("c", "a", DependencyKind.DYNAMIC),
        Dependency("c", "b", DependencyKind.STATIC),
    )


def test_a_dependency_that_is_told_twice_is_one(tmp_path: Path):
    twice = (("b", "a", "static"), ("b", "a", "static"))

    assert len(graph(described(node("a"), node("b"), edges=twice), NOTHING, tmp_path).dependencies) == 1


@pytest.mark.parametrize("edge", [("a", "npm:react", "static"), ("npm:react", "a", "static")])
def test_installed_packages_are_no_projects(tmp_path: Path, edge: tuple[str, str, str]):
    read = graph(described(node("a"), edges=(edge,)), NOTHING, tmp_path)

    assert (read.names, read.dependencies) == (("a",), ())


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], ()),
        (["tsconfig.json"], ("tsconfig.json",)),
        (["tsconfig.base.json"], ("tsconfig.base.json",)),
        (["tsconfig.json", "tsconfig.base.json"], ("tsconfig.base.json",)),
    ],
)
def test_the_tsconfig_that_resolves_imports_affects_everything(
    tmp_path: Path, files: list[str], expected: tuple[str, ...]
):
    for name in files:
        (tmp_path / name).write_text("{}")

    assert graph(described(), NOTHING, tmp_path).global_files == (*GLOBAL_FILES, *expected)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([], ()),
        (["default"], ()),
        (["{projectRoot}/**/*"], ()),
        (["{workspaceRoot}/a"], ("a",)),
        (["!{workspaceRoot}/a"], ()),
        ([{"fileset": "{workspaceRoot}/a"}], ("a",)),
        ([{"env": "CI"}, {"runtime": "node -v"}, {"externalDependencies": ["x"]}, 5, None, []], ()),
        (["shared"], ("s",)),
        (["through"], ("s", "t")),
        (["own"], ("o",)),
        (["round"], ("r",)),
        (["{workspaceRoot}/a", "shared", "{workspaceRoot}/a"], ("a", "s")),
    ],
)
def test_inputs_outside_of_a_project_are_found_through_their_names(
    tmp_path: Path, inputs: list[Any], expected: tuple[str, ...]
):
    named: dict[str, list[Any]] = {
        "shared": ["{workspaceRoot}/s"],
        "through": ["shared", "{workspaceRoot}/t"],
        "round": ["round", "{workspaceRoot}/r"],
        "own": ["{workspaceRoot}/hidden"],
    }
    project = node("a", targets={"build": {"inputs": inputs}}, namedInputs={"own": ["{workspaceRoot}/o"]})

    (read,) = graph(described(project), Configuration(named, ()), tmp_path).projects

    assert read.workspace_inputs == expected


def test_a_long_way_through_names_comes_to_its_end(tmp_path: Path):
    """However often the ways part and meet again: two at each of 2,000 names are more than anybody can go."""
    names = [f"n{n}" for n in range(2000)]
    named: dict[str, list[Any]] = {a: [b, b] for a, b in pairwise(names)}
    named[names[-1]] = ["{workspaceRoot}/end"]
    project = node("a", targets={"build": {"inputs": ["n0"]}})

    (read,) = graph(described(project), Configuration(named, ()), tmp_path).projects

    assert read.workspace_inputs == ("end",)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"graph": {}}',
        b'{"graph": {"nodes": [], "dependencies": {}}}',
        b'{"graph": {"nodes": {"a": {"name": "a"}}, "dependencies": {}}}',
        b'{"graph": {"nodes": {"a": {"name": 5, "type": "lib", "data": {"root": "a"}}}, "dependencies": {}}}',
        described(node("a", targets={"build": {"inputs": "x"}})),
        described(node("a", targets={"build": 5})),
        described(node("a", tags="x")),
        described(node("a"), edges=(("a", "a", "telepathic"),)),
        described(node("\ud800")),
        pytest.param(b'{"graph": ' + b"[" * 100_000, id="deep"),
        b"\xff",
    ],
)
def test_a_description_that_is_not_understood_is_a_problem(tmp_path: Path, text: bytes):
    with pytest.raises(BrokenProjectConfiguration, match="not known here"):
        graph(text, NOTHING, tmp_path)
