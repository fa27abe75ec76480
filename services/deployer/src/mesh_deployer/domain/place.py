"""Reads the tree with types; whatever does not fit is noted with its path, and reading goes on."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from mesh_deployer.domain.issues import Findings, Issue, Severity
from mesh_deployer.domain.tree import Listing, Mapping, Node, Scalar

T = TypeVar("T")

_WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")
# What people write who come from docker-compose and Kubernetes.
_HINTS = {
    "depends_on": "Akash starts all services at once; let the service wait for what it needs.",
    "environment": "Write `env` as a list of NAME=value.",
    "volumes": "Declare storage in profiles.compute and mount it in params.storage.",
    "ports": "Write `expose` with port, as and to.",
    "cmd": "Write `command` and `args` as lists.",
    "entrypoint": "Write `command` as a list.",
    "replicas": "Write `count` in the deployment section.",
    "restart": "Akash restarts what ends.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A node (None where nothing is written), where it is, and where findings go."""

    node: Node | None
    path: str
    findings: Findings

    @property
    def is_absent(self) -> bool:
        """True when nothing, or YAML's null, is written here."""
        return self.node is None or (isinstance(self.node, Scalar) and self.node.is_null)

    def error(self, code: str, message: str, hint: str = "") -> None:
        """Notes a fault that keeps the document from being compiled."""
        self.findings.add(Issue(self.path, code, message, hint))

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Notes what Akash accepts and the author hardly means."""
        self.findings.add(Issue(self.path, code, message, hint, Severity.WARNING))

    def at(self, key: str) -> "Place":
        """The value under `key`; an absent place when this is no mapping or has no such key."""
        node = self.node.entries.get(key) if isinstance(self.node, Mapping) else None
        return Place(node, f"{self.path}.{key}" if self.path else key, self.findings)

    def fields(self, known: Collection[str]) -> "Place":
        """This place as a mapping with fixed keys; others are noted, with what was probably meant.

        Akash ignores them without a word, which is why they are warnings.
        """
        for key in self._entries():
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = _HINTS.get(key) or (f"Did you mean `{near[0]}`?" if near else "Akash ignores it.")
                self.at(key).warn("unknown-key", f"There is no `{key}` here.", hint)
        return self

    def named(self) -> dict[str, "Place"]:
        """The entries of a mapping whose keys are names that the author chose, by name."""
        return {name: self.at(name) for name in sorted(self._entries())}

    def items(self) -> list["Place"]:
        """The items of a list."""
        if self.is_absent:
            return []
        if isinstance(self.node, Listing):
            return [Place(item, f"{self.path}[{i}]", self.findings) for i, item in enumerate(self.node.items)]
        self.error("not-a-list", "A list is expected here.", "Start each item with a dash.")
        return []

    def text(self) -> str:
        """The value as it is written; empty when absent."""
        if self.is_absent:
            return ""
        if isinstance(self.node, Scalar):
            return self.node.value
        self.error("not-a-value", "A single value is expected here.")
        return ""

    def texts(self) -> tuple[str, ...] | None:
        """A list of values; None when absent, which Akash's hash tells from an empty list."""
        return None if self.is_absent else tuple(item.text() for item in self.items())

    def whole(self, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`, written in plain decimal digits; `default` when absent."""
        if self.is_absent:
            return default
        node = self.node
        if not isinstance(node, Scalar) or not node.is_plain or not _WHOLE.fullmatch(node.value):
            self.error("not-a-number", "A whole number is expected here.", "Write digits without quotes.")
            return default
        if not low <= int(node.value) <= high:
            self.error("out-of-range", f"{node.value} is not between {low} and {high}.")
            return default
        return int(node.value)

    def flag(self) -> bool:
        """True or false; false when absent."""
        if self.is_absent:
            return False
        if isinstance(self.node, Scalar) and self.node.is_plain and self.node.value in ("true", "false"):
            return self.node.value == "true"
        self.error("not-a-flag", "true or false is expected here.")
        return False

    def parsed(self, parse: Callable[[str], T], default: T, what: str) -> T:
        """What `parse` makes of the text; `default` and a note when it cannot, or nothing is there."""
        if self.is_absent:
            self.error("missing", f"{what} is missing.")
            return default
        if not (text := self.text()):
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.error("quantity", f"{what}: {error}", getattr(error, "hint", ""))
            return default

    def unsupported(self, what: str) -> None:
        """Notes a part of the language that is not compiled here, when it is used."""
        is_used = not self.is_absent and self.node not in (Mapping({}), Listing(()))
        if is_used:
            self.error("unsupported", f"{what}: valid in Akash, but not compiled here.")

    def _entries(self) -> dict[str, Node]:
        if self.is_absent:
            return {}
        if isinstance(self.node, Mapping):
            return self.node.entries
        self.error("not-a-mapping", "A mapping is expected here.", "Write `name: value` lines.")
        return {}
