"""House rules that no linter knows."""

import ast
import re
from collections.abc import Iterator

from source_tree import DEFINITIONS, ROOT, Module, Project

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError|placeholder", re.IGNORECASE)


def _calls(module: Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every call."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def _offenders(modules: list[Module] | tuple[Module, ...], pattern: str) -> list[str]:
    expression = re.compile(pattern)
    return [f"{m.name}:{line} {name}" for m in modules for line, name in _calls(m) if expression.search(name)]


def test_settings_are_read_in_one_place(project: Project):
    elsewhere = [m for m in project.sources if m.path.stem != "settings" and "mesh_cli" not in m.name]

    assert not [m.name for m in elsewhere if re.search(r"\bos\.(environ|getenv)\b", m.text)]


def test_a_transaction_ends_with_its_block_and_never_by_a_call(project: Project):
    assert not _offenders(project.sources, r"\.(commit|rollback)$")


def test_the_domain_has_no_clock_and_no_chance(project: Project):
    assert not _offenders(
        project.of_room("domain"),
        r"(datetime|date)\.(now|utcnow|today)$|\btime\.\w+$|^random\.|^secrets\.|uuid4$",
    )


def test_only_the_relay_publishes(project: Project):
    elsewhere = [m for m in project.sources if m.path.stem != "relay"]

    assert not _offenders(elsewhere, r"\.publish$")


def test_no_test_replaces_our_own_code(project: Project):
    assert not [m.name for m in project.tests if re.search(r"""(patch|setattr)\(\s*["']mesh_""", m.text)]


def test_nothing_is_left_unfinished(project: Project):
    assert not [
        f"{m.name}:{number}"
        for m in project.sources
        for number, line in enumerate(m.text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]


def test_no_use_case_awaits_a_stranger_inside_a_transaction(project: Project):
    """Inside `async with ….write()` a use case may await its repository and nothing else."""
    assert not [offence for m in project.of_room("service") for offence in _foreign_awaits(m)]


def _foreign_awaits(module: Module) -> Iterator[str]:
    for block in ast.walk(module.tree):
        if isinstance(block, ast.AsyncWith) and any(
            ".write()" in ast.unparse(i.context_expr) for i in block.items
        ):
            for node in (n for statement in block.body for n in ast.walk(statement)):
                if isinstance(node, ast.Await) and re.match(r"self\.\w+\.\w+\(", ast.unparse(node.value)):
                    yield f"{module.name}:{node.lineno} {ast.unparse(node.value)}"


def test_every_public_name_of_domain_and_service_is_documented(project: Project):
    undocumented = [
        f"{m.name}:{node.lineno} {node.name}"
        for m in project.of_room("domain", "service")
        for node in _public(m.tree)
        if not ast.get_docstring(node)
    ]

    assert not undocumented


def test_a_documented_function_names_the_errors_that_it_raises(project: Project):
    silent = [
        f"{m.name}:{node.lineno} {node.name} raises {name}"
        for m in project.of_room("domain", "service")
        for node in _public(m.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in _raised(node)
        if name not in (ast.get_docstring(node) or "")
    ]

    assert not silent


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _public(tree: ast.AST) -> Iterator[Definition]:
    """Public definitions of a module and of its public classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, DEFINITIONS) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def _raised(function: ast.AST) -> set[str]:
    raised = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc)
    names = {ast.unparse(exc.func if isinstance(exc, ast.Call) else exc) for exc in raised}
    return {name for name in names if name[:1].isupper()}


REVISION = re.compile(r'^revision = "(.*)"\ndown_revision = (?:None|"(.*)")$', re.MULTILINE)


def test_the_migrations_of_a_folder_are_one_line_in_the_order_of_their_names():
    """`mesh_shared.database.migrate` knows the newest by its name, without loading Alembic."""
    files = [*ROOT.glob("services/*/migrations/*.py"), *ROOT.glob("shared/src/*/*/versions/*.py")]
    assert len(files) >= 7

    for folder in {path.parent for path in files}:
        names = sorted(path.stem for path in folder.glob("*.py"))
        said = [
            match.groups()
            for name in names
            for match in REVISION.finditer((folder / f"{name}.py").read_text())
        ]
        assert said == list(zip(names, [None, *names], strict=False))
