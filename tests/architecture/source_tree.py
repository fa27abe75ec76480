"""Reads the project's own source as syntax trees."""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file of the project."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def code_lines(self) -> frozenset[int]:
        """Numbers of the lines that hold code: not blank, no comment, no docstring."""
        skipped = (
            tokenize.COMMENT,
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        )
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        lines = {n for t in tokens if t.type not in skipped for n in range(t.start[0], t.end[0] + 1)}
        return frozenset(lines - set(self._docstring_lines()))

    def _docstring_lines(self) -> Iterator[int]:
        for node in ast.walk(self.tree):
            match node:
                case ast.Expr(value=ast.Constant(value=str())):
                    yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
                case _:
                    pass

    def functions(self) -> Iterator[Function]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def length(self, node: ast.AST) -> int:
        """Lines of code between the first and the last line of `node`."""
        first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
        return sum(first <= line <= last for line in self.code_lines)


@dataclass(frozen=True)
class Project:
    sources: tuple[Module, ...]
    tests: tuple[Module, ...]

    def of_room(self, *rooms: str) -> list[Module]:
        """The modules of these rooms in every service, whether file or package."""
        return [m for m in self.sources if m.path.stem in rooms or m.path.parent.name in rooms]


def modules(*patterns: str) -> tuple[Module, ...]:
    return tuple(
        Module(path)
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
        if "versions" not in path.parts
    )
