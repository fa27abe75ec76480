"""YAML as Go's yaml.v3 reads it into the compiler of Akash: a tree of scalars as they are written, bounded.

Values keep their spelling. Most are read as they are written (`on`, `0644`, `1e3`), so resolving them first,
as YAML libraries do, would lose what is needed. What Go finds only when it decodes a part (a key that is
given twice, a merge of something else than a mapping) is kept with that part: Go ignores it in parts that it
does not decode, and so must we.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import yaml.cyaml
from yaml.events import AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from mesh_deployer.domain.issues import Issue, Unreadable
from mesh_deployer.domain.scalars import NULLS, Scalar

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_NODES = 5_000
MAX_CHARACTERS = 4 * MAX_BYTES
"""Both are counted as often as aliases repeat them, so that a small text does not unfold into a large one."""
MAX_KEY = 253
"""The longest name that Kubernetes has; keys are repeated in the path of every finding below them."""
_Parser: Any = cast("Any", yaml.cyaml).CParser
"""libyaml's parser alone, without what makes objects of its events."""
_TAG = "tag:yaml.org,2002:"
_ODD_KEYS = NULLS | {"<<"}
"""What may be no name of an entry."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What makes a part unreadable as soon as it is read."""

    code: str
    message: str
    hint: str = ""


@dataclass(slots=True)
class Listing:
    """A sequence."""

    items: tuple["Node", ...]


@dataclass(slots=True)
class Mapping:
    """A mapping: `entries` with what is merged into it, `written` its own pairs in their order."""

    entries: dict[str, "Node"]
    written: tuple[tuple[str, "Node"], ...] = ()
    fault: Fault | None = None


Node = Scalar | Listing | Mapping
_Pair = tuple[Node, Node]


def read(text: str | bytes) -> tuple[Node, bool]:
    """The first document in `text`, and whether it is the only one: Go reads no further.

    At most `MAX_BYTES` of UTF-8, `MAX_NODES` nodes and `MAX_DEPTH` levels, so that no input keeps the
    event loop for long. Raises `Unreadable` at the first fault.
    """
    if len(text.encode(errors="replace") if isinstance(text, str) else text) > MAX_BYTES:
        raise Unreadable(Issue("", "too-large", f"At most {MAX_BYTES} bytes are read."))
    try:
        return _Composer(_Parser(text).get_event).document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        hint = "Indent with spaces." if "found character" in str(error.problem) else ""
        raise Unreadable(Issue("", "yaml", f"Not YAML, line {line}: {error.problem}.", hint)) from None
    except (yaml.YAMLError, UnicodeError):
        raise Unreadable(Issue("", "yaml", "Not YAML: it has characters that YAML does not allow.")) from None


@dataclass(slots=True)
class _Composer:
    """Builds the tree from the parser's events, so that nothing is expanded before it is checked."""

    event: Callable[[], Any]
    """The parser's next event."""
    path: list[str | int] = field(default_factory=list[str | int])
    nodes: int = 0
    characters: int = 0
    anchors: dict[str, tuple[Node, int, int]] = field(default_factory=dict[str, tuple[Node, int, int]])

    def document(self) -> tuple[Node, bool]:
        event = self.event()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self.event()
        if isinstance(event, yaml.StreamEndEvent):
            raise self._refusal("empty", "There is nothing in it.")
        root = self._node(event)
        self.event()
        return root, self._is_at_the_end()

    def _is_at_the_end(self) -> bool:
        try:
            return isinstance(self.event(), yaml.StreamEndEvent)
        except yaml.YAMLError:
            return False

    def _node(self, event: Any) -> Node:
        if event.__class__ is AliasEvent:
            return self._alias(event.anchor)
        nodes, characters = self.nodes, self.characters
        is_scalar = event.__class__ is ScalarEvent
        self._count(1, len(event.value) if is_scalar else 0)
        if len(self.path) > MAX_DEPTH:
            raise self._refusal("too-deep", f"At most {MAX_DEPTH} levels are read.")
        node = _scalar(event) if is_scalar else self._several(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, self.nodes - nodes, self.characters - characters)
        return node

    def _several(self, event: Any) -> Node:
        return self._listing() if event.__class__ is SequenceStartEvent else self._mapping()

    def _alias(self, anchor: str) -> Node:
        if anchor not in self.anchors:
            raise self._refusal("alias", f"Nothing before it has the anchor &{anchor}.")
        node, nodes, characters = self.anchors[anchor]
        self._count(nodes, characters)
        return node

    def _count(self, nodes: int, characters: int) -> None:
        self.nodes += nodes
        self.characters += characters
        if self.nodes > MAX_NODES:
            raise self._refusal("too-large", f"At most {MAX_NODES} values are read.")
        if self.characters > MAX_CHARACTERS:
            raise self._refusal("too-large", f"At most {MAX_CHARACTERS} characters are read.")

    def _listing(self) -> Listing:
        items: list[Node] = []
        while (event := self.event()).__class__ is not SequenceEndEvent:
            self.path.append(len(items))
            items.append(self._node(event))
            self.path.pop()
        return Listing(tuple(items))

    def _mapping(self) -> Mapping:
        pairs: list[_Pair] = []
        while (event := self.event()).__class__ is not MappingEndEvent:
            self.path.append("?")
            key = self._node(event)
            self.path[-1] = name = key.value if isinstance(key, Scalar) else "?"
            if len(name) > MAX_KEY:
                raise self._refusal("key", f"A key has at most {MAX_KEY} characters.")
            pairs.append((key, self._node(self.event())))
            self.path.pop()
        return _mapping(pairs)

    def _refusal(self, code: str, message: str) -> Unreadable:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        path = "".join(steps).removeprefix(".")
        return Unreadable(Issue(path[: MAX_KEY * 2], code, message))


def overlaid(below: Node | None, above: Node, depth: int) -> Node:
    """Two mappings as Go makes one of them that it decodes into the same variable; else the one `above`.

    Entries of mappings at `depth` and deeper replace those of the same name.
    """
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    entries = below.entries | {
        name: overlaid(below.entries.get(name), node, depth - 1) if depth else node
        for name, node in above.entries.items()
    }
    return Mapping(entries, below.written + above.written, below.fault or above.fault)


def _scalar(event: Any) -> Scalar:
    # style is None or "" for a plain scalar, depending on the parser
    return Scalar(event.value, not event.style, event.tag.replace(_TAG, "!!") if event.tag else "")


def _mapping(pairs: Sequence[_Pair]) -> Mapping:
    written = [(key.value, value) for key, value in pairs if isinstance(key, Scalar)]
    entries = dict(written)
    if len(entries) == len(pairs) and _ODD_KEYS.isdisjoint(entries):
        return Mapping(entries, tuple(written))
    return _odd_mapping(pairs, written)


def _odd_mapping(pairs: Sequence[_Pair], written: list[tuple[str, Node]]) -> Mapping:
    """One with a key that is no name or given twice, or into which something is merged."""
    own: dict[str, Node] = {}
    merged: dict[str, Node] = {}
    fault: Fault | None = None
    names = [name for name, _ in written]
    if len(names) < len(pairs):
        fault = Fault("key", "A key must be a name.")
    elif len(set(names)) < len(names):
        twice = next(name for name, number in Counter(names).items() if number > 1)
        fault = Fault("duplicate-key", f"`{twice}` is given twice.", "Keep one of them.")
    for key, value in pairs:
        if not isinstance(key, Scalar) or key.is_null:
            continue
        if key.value == "<<" and key.is_plain:
            merged, unmergeable = _merged(value)
            fault = fault or unmergeable
        else:
            own[key.value] = value
    return Mapping(merged | own, tuple(written), fault)


def _merged(value: Node) -> tuple[dict[str, Node], Fault | None]:
    """The entries of the mapping, or of those in the list, the first of which wins."""
    sources = value.items if isinstance(value, Listing) else (value,)
    found: dict[str, Node] = {}
    for source in reversed(sources):
        if not isinstance(source, Mapping):
            return {}, Fault("merge-key", "Only mappings are merged.", "Write the entries out.")
        if source.fault:
            return {}, source.fault
        found |= source.entries
    return found, None
