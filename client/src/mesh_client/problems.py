"""What can go wrong, as a caller can act on it.

MeshError
  Problem       a service refused: `status`, `code`, `errors` with pointers into the request
  Unreachable   no answer came; whether anything was done is unknown, and the same key may be sent again
  Unfinished    it goes on, and takes longer than the caller wanted to wait
"""

from typing import Self

import httpx
import msgspec


class MeshError(Exception):
    """Any of the ways in which a call fails."""


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """A field that does not do; `pointer` is a JSON Pointer (RFC 6901), or a path in an SDL."""

    pointer: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.pointer}: {self.detail}".removeprefix(": ").rstrip(".")


class _Issue(msgspec.Struct, frozen=True, kw_only=True):
    path: str = ""
    message: str = ""
    hint: str = ""


class _Body(msgspec.Struct, kw_only=True):
    code: str
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    issues: tuple[_Issue, ...] = ()
    trace_id: str | None = None

    @property
    def flaws(self) -> tuple[FieldError, ...]:
        """The fields that do not do, and the faults of an SDL."""
        return self.errors + tuple(
            FieldError(pointer=one.path, detail=f"{one.message} {one.hint}".strip()) for one in self.issues
        )


class Problem(MeshError):
    """A refusal as the service worded it (RFC 9457). `code` never changes its meaning."""

    def __init__(
        self, status: int, code: str, detail: str, errors: tuple[FieldError, ...], trace_id: str | None
    ) -> None:
        fields = "; ".join(str(error) for error in errors)
        super().__init__(f"{status} {code}: {detail} {fields}".rstrip())
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.trace_id = trace_id
        self.retry_after_s: float | None = None
        """When the service will be ready to be asked again, where it says so."""

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """The problem in a response that has been read; one that holds none is `no-problem-document`."""
        try:
            body = msgspec.json.decode(response.content, type=_Body)
        except msgspec.MsgspecError:
            body = _Body(code="no-problem-document", detail=response.reason_phrase)
        problem = cls(response.status_code, body.code, body.detail, body.flaws, body.trace_id)
        after = response.headers.get("Retry-After", "")
        problem.retry_after_s = float(after) if after.isdecimal() else None
        return problem


class Unreachable(MeshError):
    """No answer came, though the request was repeated."""


class Unfinished(MeshError):
    """What was waited for has not ended yet. It goes on."""
