"""Reads the tree with types; whatever does not fit is noted with its path, and reading goes on."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeVar

from mesh_deployer.domain import mistakes
from mesh_deployer.domain.issues import Findings, Issue, Severity
from mesh_deployer.domain.scalars import Scalar
from mesh_deployer.domain.tree import Listing, Mapping, Node

T = TypeVar("T")


@dataclass(slots=True)
class Place:
    """A node (None where nothing is written), where it is, and where findings go.

    `is_idle` when no deployment uses it: Akash reads it then, but does not check what it says. Nobody changes
    one, but what is frozen takes three times as long to make, and reading makes hundreds.
    """

    node: Node | None
    path: str
    findings: Findings
    is_idle: bool = False

    @property
    def is_absent(self) -> bool:
        """True when nothing, or YAML's null, is written here."""
        return self.node is None or (isinstance(self.node, Scalar) and self.node.is_null)

    @property
    def is_mapping(self) -> bool:
        """True when `name: value` lines are written here."""
        return isinstance(self.node, Mapping)

    @property
    def is_scalar(self) -> bool:
        """True when a single value is written here."""
        return isinstance(self.node, Scalar)

    def error(self, code: str, message: str, hint: str = "") -> None:
        """Notes a fault that keeps the document from being compiled."""
        self.findings.add(Issue(self.path, code, message, hint))

    def invalid(self, code: str, message: str, hint: str = "") -> None:
        """Notes what Akash refuses in what is deployed, and lets pass elsewhere."""
        (self.warn if self.is_idle else self.error)(code, message, hint)

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Notes what Akash accepts and the author hardly means."""
        self.findings.add(Issue(self.path, code, message, hint, Severity.WARNING))

    def idle(self) -> "Place":
        """The same in a part that nothing deploys."""
        return replace(self, is_idle=True)

    def over(self, entries: dict[str, Node]) -> "Place":
        """The same place with these entries."""
        return replace(self, node=Mapping(entries))

    def has(self, key: str) -> bool:
        """True when something, if only null, is written under `key`."""
        return key in self._entries()

    def at(self, key: str) -> "Place":
        """The value under `key`; an absent place when this is no mapping or has no such key."""
        node = self.node.entries.get(key) if isinstance(self.node, Mapping) else None
        path = f"{self.path}.{key}" if self.path else key
        return Place(node, path, self.findings, self.is_idle)

    def written(self) -> list[tuple[str, "Place"]]:
        """The pairs as Akash walks them where it reads a mapping by hand: nothing merged, some keys twice."""
        if isinstance(self.node, Mapping):
            return [(key, self.below(f".{key}" if self.path else key, n)) for key, n in self.node.written]
        if not self.is_absent and not isinstance(self.node, Scalar):
            self._no_mapping()
        return []

    def fields(self, known: Collection[str]) -> "Place":
        """This place as a mapping with fixed keys; others are noted, with what was probably meant.

        Akash ignores them without a word, which is why they are warnings.
        """
        for key in self._entries():
            if key not in known:
                self.at(key).warn("unknown-key", f"There is no `{key}` here.", mistakes.instead(key, known))
        return self

    def named(self) -> dict[str, "Place"]:
        """The entries of a mapping whose keys are names that the author chose, by name."""
        return {name: self.at(name) for name in sorted(self._entries())}

    def items(self) -> list["Place"]:
        """The items of a list; Go drops those that are null."""
        return [item for item in self.all_items() if not item.is_absent]

    def all_items(self) -> list["Place"]:
        """The items of a list with those that are null."""
        if self.is_absent:
            return []
        if isinstance(self.node, Listing):
            return [self.below(f"[{i}]", item) for i, item in enumerate(self.node.items)]
        hint = mistakes.shape(self.path, "Start each item with a dash.")
        self.error("not-a-list", "A list is expected here.", hint)
        return []

    def one_or_more(self) -> list["Place"]:
        """The items of a list, or the single value that stands in its stead."""
        return [self] if self.is_scalar and not self.is_absent else self.items()

    def text(self) -> str:
        """The value as it is written; empty when absent."""
        if self.is_absent:
            return ""
        scalar = self._scalar()
        return (scalar.text or "") if scalar else ""

    def texts(self) -> tuple[str, ...] | None:
        """A list of values; None when absent, which Akash's hash tells from an empty list."""
        return None if self.is_absent else tuple(item.text() for item in self.items())

    def uint32(self, otherwise: int = 0) -> int:
        """A number as Go reads it into a `uint32`: `0x50` is 80, `1e3` 1000, `1.9` 1.

        0 when absent; `otherwise`, and a note, where it is none.
        """
        if self.is_absent:
            return 0
        if (scalar := self._scalar()) is None:
            return otherwise
        if (number := scalar.uint32()) is None:
            self.error("not-a-number", "A whole number is expected here.", mistakes.number(self.path))
            return otherwise
        if scalar.value != str(number):
            self.warn("number", f"Akash reads {number} here.", "Write decimal digits.")
        return number

    def flag(self) -> bool:
        """True or false, also as `yes`, `off` and the like; false when absent."""
        if self.is_absent or (scalar := self._scalar()) is None:
            return False
        if (flag := scalar.flag()) is None:
            self.error("not-a-flag", "true or false is expected here.", "Write it without quotes.")
        return bool(flag)

    def parsed(self, parse: Callable[[str], T], default: T, what: str, example: str) -> T:
        """What `parse` makes of the text as it is written, quoted or not; `default` where it cannot.

        Akash takes what is absent for zero, which is checked in what is deployed only.
        """
        if self.is_absent:
            key = self.path.rpartition(".")[2]
            self.invalid("missing", f"{what} is missing.", f"Write `{key}: {example}`.")
            return default
        if not isinstance(self.node, Scalar):
            self.error("not-a-value", "A single value is expected here.", "Write it behind the colon.")
            return default
        try:
            return parse(self.node.value)
        except ValueError as error:
            self.error("quantity", f"{what}: {error}", getattr(error, "hint", ""))
            return default

    def below(self, step: str, node: Node | None) -> "Place":
        """`node`, which is one step below."""
        return Place(node, self.path + step, self.findings, self.is_idle)

    def _scalar(self) -> Scalar | None:
        """The value here, which is not absent; None, and a note, where it is none."""
        if not isinstance(self.node, Scalar):
            self.error("not-a-value", "A single value is expected here.", "Write it behind the colon.")
            return None
        if not self.node.is_readable:
            self.error("tag", f"{self.node.tag} does not fit here.", "Leave the tag out.")
            return None
        return self.node

    def _no_mapping(self) -> None:
        hint = mistakes.shape(self.path, "Write `name: value` lines.")
        self.error("not-a-mapping", "A mapping is expected here.", hint)

    def _entries(self) -> dict[str, Node]:
        if self.is_absent:
            return {}
        if not isinstance(self.node, Mapping):
            self._no_mapping()
            return {}
        if fault := self.node.fault:
            self.error(fault.code, fault.message, fault.hint)
        return self.node.entries
