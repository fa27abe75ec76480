"""The numbers that keep the house small. When they pinch, redesign; don't loosen."""

import ast
from statistics import median, quantiles

from source_tree import Project


def _p95(values: list[int]) -> float:
    return quantiles(values, n=20)[-1]


def test_functions_are_a_few_lines(project: Project):
    lengths = [module.length(function) for module in project.sources for function in module.functions()]

    assert median(lengths) <= 7
    assert _p95(lengths) <= 25


def test_no_function_is_longer_than_sixty_lines(project: Project):
    assert not [
        f"{module.name}:{function.lineno} {function.name}"
        for module in project.sources
        for function in module.functions()
        if module.length(function) > 60
    ]


def test_files_hold_one_thought(project: Project):
    lengths = [len(module.code_lines) for module in project.sources if module.code_lines]

    assert median(lengths) <= 80
    assert _p95(lengths) <= 250


def test_no_file_is_longer_than_four_hundred_lines(project: Project):
    modules = (*project.sources, *project.tests)

    assert not [module.name for module in modules if len(module.code_lines) > 400]


def test_there_is_more_test_than_code(project: Project):
    code = sum(len(module.code_lines) for module in project.sources)
    tests = sum(len(module.code_lines) for module in project.tests)

    assert tests >= 1.2 * code


def test_broad_excepts_are_rare(project: Project):
    broad = sum(_is_broad(node) for module in project.sources for node in ast.walk(module.tree))
    code = sum(len(module.code_lines) for module in project.sources)

    assert broad <= 0.4 * code / 1000


def _is_broad(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    return node.type is None or (
        isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
    )
