"""Who may use which connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Grant = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Live grants by subject and connection; `cells` has no entry where there is none."""

    subjects: list[str]
    connections: list[str]
    cells: dict[tuple[str, str], list[Grant]]


def matrix(grants: Sequence[Grant], connections: Sequence[str]) -> Matrix:
    """The grants that are not revoked; every connection has a column, whether granted or not."""
    cells: dict[tuple[str, str], list[Grant]] = {}
    for grant in grants:
        if not grant["is_revoked"]:
            cells.setdefault((grant["subject"], grant["connection"]), []).append(grant)
    columns = {*connections} | {connection for _, connection in cells}
    return Matrix(sorted({subject for subject, _ in cells}), sorted(columns), cells)
