"""Which change reaches which project: files, folders, and what lies outside of all projects."""

import time

import pytest
from mesh_workspace_analyzer.domain.affected import Change, Reason, find_affected
from mesh_workspace_analyzer.domain.globs import fits, matches, names
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Project, ProjectGraph

SHOP = ProjectGraph(
    projects=(
        Project(name="api", root="apps/api", workspace_inputs=("tools/**/*", "*.env")),
        Project(name="money", root="libs/money"),
        Project(name="money-eu", root="libs/money/eu"),
        Project(name="web", root="apps/web"),
    ),
    dependencies=(
        Dependency("api", "money"),
        Dependency("web", "money-eu"),
        Dependency("web", "api", DependencyKind.IMPLICIT),
    ),
    global_files=("nx.json", "tsconfig.base.json"),
)


def found(*changes: Change) -> dict[str, Reason]:
    return {affected.project: affected.reason for affected in find_affected(SHOP, changes)}


def test_a_file_belongs_to_the_innermost_project():
    assert found(Change("libs/money/eu/src/vat.ts")) == {
        "money-eu": Reason.DIRECT,
        "web": Reason.DEPENDENCY,
    }


def test_a_folder_whose_name_only_starts_like_a_project_s_is_none_of_it():
    assert found(Change("libs/money-old/src/index.ts")) == {}


def test_a_file_that_targets_read_affects_only_their_project_and_its_dependents():
    assert found(Change("tools/pack.mjs")) == {"api": Reason.GLOBAL, "web": Reason.DEPENDENCY}


def test_a_file_that_everything_depends_on_affects_everything():
    assert set(found(Change("tsconfig.base.json")).values()) == {Reason.GLOBAL}


def test_a_change_of_its_own_is_the_better_reason():
    reasons = found(Change("nx.json"), Change("libs/money/src/index.ts"))

    assert reasons.pop("money") is Reason.DIRECT
    assert set(reasons.values()) == {Reason.GLOBAL}


@pytest.mark.parametrize("name", ["project.json", "package.json"])
def test_a_project_that_is_gone_affects_everything(name: str):
    assert len(found(Change(f"libs/gone/{name}", is_deleted=True))) == len(SHOP.projects)
    assert found(Change(f"docs/{name}")) == {}


def test_a_deleted_source_file_affects_its_project_only():
    assert found(Change("apps/web/src/old.ts", is_deleted=True)) == {"web": Reason.DIRECT}


@pytest.mark.parametrize("root", [".", "", "./"])
def test_a_project_in_the_workspace_s_own_folder_has_every_file_that_nobody_else_has(root: str):
    graph = ProjectGraph(projects=(Project(name="all", root=root), Project(name="lib", root="libs/lib")))

    assert [a.project for a in find_affected(graph, [Change("README.md")])] == ["all"]
    assert [a.project for a in find_affected(graph, [Change("libs/lib/a.ts")])] == ["lib"]


def test_the_way_is_a_shortest_one_and_keeps_the_kind_of_each_dependency():
    (affected,) = [a for a in find_affected(SHOP, [Change("libs/money/src/a.ts")]) if a.project == "web"]

    assert affected.files == ("libs/money/src/a.ts",)
    assert affected.via == (
        Dependency("web", "api", DependencyKind.IMPLICIT),
        Dependency("api", "money", DependencyKind.STATIC),
    )


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("tools/**/*", "tools/a.mjs", True),
        ("tools/**/*", "tools/deep/er/a.mjs", True),
        ("tools/**/*", "tool/a.mjs", False),
        ("tools/*", "tools/deep/a.mjs", False),
        ("**/*.snap", "a/b/c.snap", True),
        ("**/*.snap", "c.snap", True),
        ("libs/**", "libs/a/b.ts", True),
        ("jest.config.{ts,js}", "jest.config.js", True),
        ("jest.config.{ts,js}", "jest.config.mjs", False),
        ("{a,b}/{c,d}.ts", "b/c.ts", True),
        (".github/workflows/?i.yml", ".github/workflows/ci.yml", True),
        ("v[0-9].txt", "v7.txt", True),
        ("v[!0-9].txt", "v7.txt", False),
        ("v[9-0].txt", "v7.txt", False),
        ("a.b", "aXb", False),
        ("(a|b).ts", "a.ts", True),
        ("@(a|(b|c)).ts", "c.ts", True),
        ("?(a).ts", ".ts", True),
        ("?(a).ts", "b.ts", False),
        ("!(a).ts", "b.ts", True),
        ("v[^0-9].txt", "vx.txt", True),
        (r"\*.ts", "*.ts", True),
        (r"\*.ts", "a.ts", False),
        ("tools", "tools/deep/a.mjs", True),
        ("tools/", "tools/a.mjs", True),
        ("tools", "libs/tools/a.mjs", False),
        ("!tools", "a.ts", True),
        ("[", "[", True),
        ("{", "{", True),
    ],
)
def test_globs_mean_what_they_mean_in_nx(glob: str, path: str, expected: bool):
    assert matches(glob, path) is expected


def test_a_hostile_glob_is_answered_at_once():
    path = "/".join(["a" * 30] * 40)

    assert not matches("/".join(["**", "*a*a*a*a*a*"] * 40) + "/b", path)
    assert matches("{a,b}" * 150 + "c", "x")
    assert matches("a" * 2000, "x")
    assert matches("[" * 21, "x")
    assert not matches("{a}" * 333, "x")
    assert not matches("(" * 400 + "a" + ")" * 400, "x")


@pytest.mark.parametrize("pattern", ["a*" * 600, "*" + "[" * 21, "[" * 10**6], ids=range(3))
def test_a_pattern_that_would_take_too_long_names_nothing(pattern: str):
    assert not names(pattern, "a")
    assert not fits(f"/{pattern}", "/a")


def test_a_hundred_files_are_named_for_each_project_and_no_more():
    changes = [Change(f"libs/money/{n:04}.ts") for n in reversed(range(1000))]

    named = {affected.project: affected.files for affected in find_affected(SHOP, changes)}

    assert named["money"] == tuple(f"libs/money/{n:04}.ts" for n in range(100))
    assert named["web"] == named["api"] == named["money"]


def test_a_change_of_everything_in_a_large_workspace_is_answered_at_once():
    names = [f"p{n}" for n in range(2000)]
    graph = ProjectGraph(
        projects=tuple(Project(name=name, root=f"libs/{name}", workspace_inputs=("**/*",)) for name in names),
        dependencies=tuple(Dependency(name, "p0") for name in names[1:]),
    )
    started = time.process_time()

    found = find_affected(graph, [Change(f"libs/p0/{n}.ts") for n in range(5000)])

    assert len(found) == len(names)
    assert sum(len(affected.files) for affected in found) == len(names) * 100
    assert time.process_time() - started < 10


def test_globs_that_would_take_too_long_to_compare_affect_their_readers_by_every_change():
    hostile = tuple(
        "{" + ",".join("*a*b*c*" for _ in range(90)) + "}" + "/**" * 20 + f"/{n}" for n in range(50)
    )
    graph = ProjectGraph(
        projects=(Project(name="a", root="a", workspace_inputs=hostile), Project(name="b", root="b"))
    )
    started = time.process_time()

    found = find_affected(graph, [Change(f"{'x/' * 50}{n}.ts") for n in range(1000)])

    assert [(affected.project, affected.reason) for affected in found] == [("a", Reason.GLOBAL)]
    assert time.process_time() - started < 10
