"""What is wrong with an SDL, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

MAX_ISSUES = 100


class Severity(StrEnum):
    """An error keeps the SDL from being compiled; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `path` is dotted, such as `services.web.expose[0].port`; empty for the whole document.

    `code` is stable. Neither `message` nor `hint` ever repeats the value of an environment variable.
    """

    path: str
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR


class Unreadable(ValueError):
    """Reading ends here; `issue` says where and why."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.message)
        self.issue = issue


@dataclass(slots=True)
class Findings:
    """The issues so far in the order in which they were found, each once."""

    has_errors: bool = False
    _found: dict[Issue, None] = field(default_factory=dict[Issue, None])

    def add(self, issue: Issue) -> None:
        """Keeps `issue`, so that no input makes a long answer: of what is beyond `MAX_ISSUES`, warnings are
        dropped, and an error raises `Unreadable`.
        """
        if issue not in self._found and len(self._found) == MAX_ISSUES:
            if issue.severity is Severity.WARNING:
                return
            raise Unreadable(Issue("", "too-many", f"More than {MAX_ISSUES} findings; the rest is not read."))
        self._found[issue] = None
        self.has_errors = self.has_errors or issue.severity is Severity.ERROR

    def __iter__(self) -> Iterator[Issue]:
        return iter(self._found)
