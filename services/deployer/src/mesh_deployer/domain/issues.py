"""What is wrong with an SDL, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


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
