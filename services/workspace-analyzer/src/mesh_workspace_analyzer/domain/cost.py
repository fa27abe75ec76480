"""What a change saves, as far as anything was measured."""

from dataclasses import dataclass

METHOD = "project-count"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostImpact:
    """The share of projects that need no work: a count and no money, as nobody knows what a build costs."""

    skipped_pct: int
    assumptions: tuple[str, ...]
    method: str = METHOD


def calculate_cost_optimization(affected: int, total: int) -> int:
    """`round((1 - affected/total) * 100)`, halves up: percent of the projects that are not affected.

    0 for a workspace without projects. Raises `ValueError` unless 0 ≤ affected ≤ total.
    Source: row E of the first system, which left no projects undefined.
    """
    if not 0 <= affected <= total:
        raise ValueError(f"{affected} of {total} projects cannot be affected")
    if total == 0:
        return 0
    return (200 * (total - affected) + total) // (2 * total)


def cost_impact(affected: int, total: int, *, is_exact: bool) -> CostImpact:
    """The impact of an analysis; one that had to take all projects claims no saving.

    Raises `ValueError` as `calculate_cost_optimization` does.
    """
    assumptions = ["Every project counts the same: no durations were measured."]
    if not is_exact:
        assumptions.append("What changed is not known, so nothing is skipped.")
    return CostImpact(
        skipped_pct=calculate_cost_optimization(affected, total) if is_exact else 0,
        assumptions=tuple(assumptions),
    )
