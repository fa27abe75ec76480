"""What a file of JavaScript or TypeScript imports, found in one pass without a parser.

Right on comments, strings, templates within templates and regular expressions. Lines after a comment with
`nx-ignore-next-line` count for nothing, as in Nx.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mesh_workspace_analyzer.adapters.literals import COMMENT, QUOTED
from mesh_workspace_analyzer.domain.graph import DependencyKind

SCRIPTS = (".ts", ".js", ".tsx", ".jsx", ".mts", ".mjs", ".cjs", ".cts")
COMPONENTS = (".vue", ".svelte", ".astro")
IGNORED = "nx-ignore-next-line"

Import = tuple[str, DependencyKind]

_GAP = rf"(?:\s|{COMMENT})*+"
_GIVEN = rf"({QUOTED}|`[^`$\\]*+`)"
_TOKEN = re.compile(
    rf"(?P<comment>{COMMENT})|(?P<string>{QUOTED})|(?P<tick>`)|(?P<brace>[{{}}])|(?P<slash>/)"
    r"|(?P<escape>\\.)"  # opens no string: else each of many would be looked through to the end of its line
    r"|(?P<word>(?<![\w$#])(?:(?<!(?<!\.\.)\.)(?:import|export)|require)(?![\w$]))",
    re.DOTALL,
)
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*+(`|\$\{|\Z)", re.DOTALL)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*+\]|[^/\\\[\n])++/\w*")
_CALL = re.compile(rf"import{_GAP}\({_GAP}{_GIVEN}{_GAP}[,)]", re.DOTALL)
_FORMS = {
    "import": re.compile(
        rf"import{_GAP}(?:[\w$*{{](?:{COMMENT}|(?!\b(?:import|export|require)\b)[^\"'`;(/])*+)?({QUOTED})",
        re.DOTALL,
    ),
    "export": re.compile(rf"export{_GAP}(?:type{_GAP})?[{{*](?:{COMMENT}|[\w$,}}\s])*+({QUOTED})", re.DOTALL),
    "require": re.compile(rf"require{_GAP}(?:\.\s*\w+{_GAP})?\({_GAP}{_GIVEN}{_GAP}[,)]", re.DOTALL),
}
_BEFORE_TYPE = re.compile(r"(?:\btypeof|\bas|[\w$)\]?]\s*:|\w<|[|&])\s*\Z")
_BEFORE_OBJECT = re.compile(r"(?:=|[\w$]\(|\[|[\]\w$\"']\s*:)\s*\Z")
_BEFORE_REGEX = re.compile(
    r"(?:\A|[^\w$)\]}\"'`<\s]|\b(?:return|typeof|case|in|of|do|else|yield|await))\s*\Z"
)
_SCRIPT = re.compile(r"<script\b[^>]*+>(.*?)(?:</script|\Z)|\A\s*---\n(.*?)\n---", re.DOTALL | re.IGNORECASE)
LOOK_BACK = 80


def find_imports(path: str, text: str) -> Iterator[Import]:
    """The modules that a file names, each as it is written; what is computed at run time is not known."""
    if path.endswith(COMPONENTS):
        for script in _SCRIPT.finditer(text):
            yield from _Scan(script[1] or script[2] or "").imports()
    else:
        yield from _Scan(text).imports()


@dataclass(slots=True)
class _Scan:
    text: str
    at: int = 0
    blocks: list[str] = field(default_factory=list[str])
    """What is open: a block `{`, an object `o`, or the hole of a template `$`."""
    code_blocks: int = 0
    plain_until: int = 0
    """Where the line ends on which no regular expression does."""
    ignored: range = range(0)
    """The line after a comment that says so."""

    def imports(self) -> Iterator[Import]:
        if "import" not in self.text and "require" not in self.text and "export" not in self.text:
            return
        while (found := _TOKEN.search(self.text, self.at)) is not None:
            self.at = found.end()
            match found.lastgroup:
                case "word":
                    yield from self._named(found)
                case "brace":
                    self._brace(found)
                case "tick":
                    self._template()
                case "slash":
                    self._slash(found.start())
                case "comment" if IGNORED in found[0]:
                    self.ignored = self._next_line(found.end())
                case _:
                    pass

    def _named(self, word: re.Match[str]) -> Iterator[Import]:
        start = word.start()
        if word[0] == "import" and (call := _CALL.match(self.text, start)):
            given, kind, end = call[1], self._kind_of_call(start), call.end()
        elif form := _FORMS[word[0]].match(self.text, start):
            given, end = form[1], form.end()
            kind = self._kind_of_require() if word[0] == "require" else DependencyKind.STATIC
        else:
            return
        self.at = end
        if start not in self.ignored:
            yield given[1:-1], kind

    def _kind_of_call(self, start: int) -> DependencyKind:
        """`import()` loads lazily, but for where it names a type."""
        is_object = bool(self.blocks) and self.blocks[-1] == "o"
        before = self._before(start)
        is_type = _BEFORE_TYPE.search(before) and not (is_object and before.rstrip().endswith(":"))
        return DependencyKind.STATIC if is_type else DependencyKind.DYNAMIC

    def _kind_of_require(self) -> DependencyKind:
        """Lazy within a block of code; in an object of the module it is not."""
        return DependencyKind.DYNAMIC if self.code_blocks else DependencyKind.STATIC

    def _brace(self, brace: re.Match[str]) -> None:
        if brace[0] == "{":
            self._open("o" if _BEFORE_OBJECT.search(self._before(brace.start())) else "{")
        elif self.blocks:
            closed = self.blocks.pop()
            self.code_blocks -= closed != "o"
            if closed == "$":
                self._template()

    def _open(self, block: str) -> None:
        self.blocks.append(block)
        self.code_blocks += block != "o"

    def _template(self) -> None:
        """Goes to the end of a template, or into its next hole."""
        part = _TEMPLATE.match(self.text, self.at)
        if part is not None:
            self.at = part.end()
            if part[1] == "${":
                self._open("$")

    def _slash(self, start: int) -> None:
        """Jumps over a regular expression; a division is nothing."""
        if start < self.plain_until or not _BEFORE_REGEX.search(self._before(start)):
            return
        if regex := _REGEX.match(self.text, start):
            self.at = regex.end()
        else:
            self.plain_until = self._line_end(start)

    def _before(self, end: int) -> str:
        return self.text[max(0, end - LOOK_BACK) : end]

    def _next_line(self, position: int) -> range:
        start = self.text.find("\n", position)
        return range(start, self._line_end(start + 1)) if start >= 0 else range(0)

    def _line_end(self, position: int) -> int:
        end = self.text.find("\n", position)
        return end if end >= 0 else len(self.text)
