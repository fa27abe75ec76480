"""YAML as a tree of strings: bounded, without aliases, tags and merge keys, every duplicate key reported.

Values keep their spelling. Akash's compiler reads most scalars as they are written (`on`, `0644`, `1e3`),
so resolving them first, as YAML libraries do, would lose what it needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from mesh_deployer.domain.issues import Issue, Unreadable

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_NODES = 5_000
MAX_KEY = 253
"""The longest name that Kubernetes has; keys are repeated in the path of every finding below them."""
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as it is written; `is_plain` when without quotes."""

    value: str
    is_plain: bool

    @property
    def is_null(self) -> bool:
        """True for YAML's spellings of nothing."""
        return self.is_plain and self.value in _NULLS


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping with scalar keys."""

    entries: dict[str, "Node"]


Node = Scalar | Listing | Mapping


def read(text: str) -> Node:
    """The only document in `text`.

    At most `MAX_BYTES` of UTF-8, `MAX_NODES` nodes and `MAX_DEPTH` levels, so that no input keeps the
    event loop for long. Raises `Unreadable` at the first fault.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise Unreadable(Issue("", "too-large", f"At most {MAX_BYTES} bytes are read."))
    try:
        return _Composer(cast("Any", yaml).parse(text, Loader=yaml.CSafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(Issue("", "yaml", f"Not YAML, line {line}: {error.problem}.")) from None
    except yaml.YAMLError:
        raise Unreadable(Issue("", "yaml", "Not YAML: it has characters that YAML does not allow.")) from None


@dataclass(slots=True)
class _Composer:
    """Builds the tree from the parser's events, so that nothing is expanded before it is checked."""

    events: Iterator[Any]
    path: list[str] = field(default_factory=list[str])
    nodes: int = 0

    def document(self) -> Node:
        event = self._next()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise self._fault("empty", "There is nothing in it.")
        root = self._node(event)
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise self._fault("several-documents", "There is more than one document.")
        return root

    def _next(self) -> Any:
        event = next(self.events)
        if isinstance(event, yaml.AliasEvent):
            raise self._fault("alias", "Aliases are not read.", "Write the value out.")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None:
            raise self._fault("tag", "Tags are not read.", "Leave the tag out.")
        return event

    def _node(self, event: Any) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._fault("too-large", f"At most {MAX_NODES} values are read.")
        if len(self.path) > MAX_DEPTH:
            raise self._fault("too-deep", f"At most {MAX_DEPTH} levels are read.")
        if isinstance(event, yaml.ScalarEvent):
            # style is None or "" for a plain scalar, depending on the parser
            return Scalar(event.value, not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._listing()
        return self._mapping()

    def _listing(self) -> Listing:
        items: list[Node] = []
        while True:
            self.path.append(f"[{len(items)}]")
            event = self._next()
            if isinstance(event, yaml.SequenceEndEvent):
                self.path.pop()
                return Listing(tuple(items))
            items.append(self._node(event))
            self.path.pop()

    def _mapping(self) -> Mapping:
        entries: dict[str, Node] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            self.path.append(f".{key}")
            if key in entries:
                raise self._fault("duplicate-key", "The key is given twice.", "Keep one of them.")
            entries[key] = self._node(self._next())
            self.path.pop()
        return Mapping(entries)

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fault("key", "A key must be a name.")
        if event.value == "<<" and not event.style:
            raise self._fault("merge-key", "Merge keys are not read.", "Write the entries out.")
        if len(event.value) > MAX_KEY:
            raise self._fault("key", f"A key has at most {MAX_KEY} characters.")
        return event.value

    def _fault(self, code: str, message: str, hint: str = "") -> Unreadable:
        return Unreadable(Issue("".join(self.path).removeprefix("."), code, message, hint))
