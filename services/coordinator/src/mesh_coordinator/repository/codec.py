"""The domain's values as the JSON that columns hold."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

from mesh_coordinator.domain.advance import Advance
from mesh_coordinator.domain.quality import Expectation, Report
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.domain.settlement import Terms

T = TypeVar("T")

EXPECTATION = TypeAdapter(Expectation)
REQUIREMENT = TypeAdapter(Requirement)
CANDIDATES = TypeAdapter(tuple[Candidate, ...])
CANDIDATE = TypeAdapter(Candidate)
TERMS = TypeAdapter(Terms)
REPORT = TypeAdapter(Report)
ADVANCE = TypeAdapter(Advance)


def dumped(adapter: TypeAdapter[T], value: T) -> Any:
    """`value` as JSON values."""
    return adapter.dump_python(value, mode="json")
