"""`${NAME}` in a compose file: what `docker compose` fills in before it reads anything.

Source: compose-go's template package. Defaults within defaults are not read.
"""

import re
from collections.abc import Mapping as Values
from dataclasses import dataclass, field

from mesh_deployer.domain.issues import Issue, Unreadable
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.scalars import Scalar
from mesh_deployer.domain.tree import MAX_BYTES, Listing, Mapping, Node

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>[^${}]*))?\}|(?P<broken>))",
    re.ASCII,
)


@dataclass(slots=True)
class Variables:
    """The values that are known, and how many characters they may still add to the document."""

    values: Values[str, str]
    left: int = MAX_BYTES
    _unknown: list[str] = field(default_factory=list[str])

    def filled(self, place: Place) -> Place:
        """The same place with every variable in it replaced; one without a value is an error."""
        if place.node is None:
            return place
        return Place(self._node(place), place.path, place.findings)

    def fill(self, place: Place, text: str) -> tuple[str, bool]:
        """`text` with its variables, and whether one of them has no value, which stays as it is written.

        A dollar sign that starts none is an error at `place`. Raises `Unreadable` when it gets too long.
        """
        self._unknown = []
        filled = _VARIABLE.sub(lambda match: self._value(place, match), text) if "$" in text else text
        return filled, bool(self._unknown)

    def refuse(self, place: Place) -> None:
        """Notes that the text filled last needs a value; compose would take an empty one."""
        for name in dict.fromkeys(self._unknown):
            place.error("variable", f"{name} has no value.", f"Give one, or write ${{{name}:-a default}}.")

    def _node(self, place: Place) -> Node:
        match place.node:
            case Listing(items):
                indexed = enumerate(items)
                return Listing(tuple(self._node(place.below(f"[{i}]", item)) for i, item in indexed))
            case Mapping(entries, written, fault):
                filled = {name: self._node(place.below(f".{name}", node)) for name, node in entries.items()}
                return Mapping(filled, written, fault)
            case node:
                return self._scalar(place, node or Scalar("", is_plain=True))

    def _scalar(self, place: Place, scalar: Scalar) -> Scalar:
        text, is_open = self.fill(place, scalar.value)
        if is_open:
            self.refuse(place)
        return scalar if text == scalar.value else Scalar(text, scalar.is_plain, scalar.tag)

    def _value(self, place: Place, match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["broken"] is not None:
            place.error("variable", "This dollar sign starts no variable.", "Write $$ for a dollar sign.")
            return "$"
        name, how, word = match["plain"] or match["name"], match["how"] or "", match["word"] or ""
        value = self.values.get(name)
        is_set = value is not None and not (how.startswith(":") and not value)
        if how.endswith("+"):
            return self._added(place, word if is_set else "")
        if is_set:
            return self._added(place, value or "")
        if how.endswith("-"):
            return self._added(place, word)
        self._unknown.append(name)
        return match[0]

    def _added(self, place: Place, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise Unreadable(
                Issue(place.path, "too-large", f"Variables add more than {MAX_BYTES} characters.")
            )
        return text
