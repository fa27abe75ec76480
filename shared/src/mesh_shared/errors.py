"""The root of every error a caller can act on. Imports nothing but the standard library."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in one place of a request; `pointer` is an RFC 6901 JSON Pointer into that part."""

    part: str
    pointer: str
    detail: str


class MeshError(Exception):
    """An outcome the caller can act on; anything else is a bug and stays a 500.

    Subclasses name the outcome. `members` become extension members of the problem
    document (RFC 9457 §3.2), so they must never carry a submitted secret.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Internal error"

    def __init_subclass__(cls, *, status: HTTPStatus | None = None, title: str | None = None) -> None:
        cls.status = status or cls.status
        cls.title = title or cls.title

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members

    @classmethod
    def code(cls) -> str:
        """`NoAcceptableBid` -> `no-acceptable-bid`."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)[1:]

    def headers(self) -> Mapping[str, str]:
        """HTTP fields that belong to this outcome, such as `Retry-After`."""
        return {}


def known_errors(root: type[MeshError] = MeshError) -> Iterator[type[MeshError]]:
    """Every error class that is loaded, depth first."""
    for error in root.__subclasses__():
        yield error
        yield from known_errors(error)


class MalformedRequest(MeshError, status=HTTPStatus.BAD_REQUEST, title="Malformed request"): ...


class HostUnclear(MeshError, status=HTTPStatus.BAD_REQUEST, title="Host unclear"):
    """The request names no host, or more than one, so that two parsers may take it for two requests."""

    def __init__(self) -> None:
        super().__init__("A request has exactly one Host.")


class AddressTooLong(MeshError, status=HTTPStatus.REQUEST_URI_TOO_LONG, title="Address too long"):
    def __init__(self) -> None:
        super().__init__("An address has at most 8000 bytes, its query included.")


class HeadTooLarge(MeshError, status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, title="Head too large"):
    def __init__(self) -> None:
        super().__init__("The header fields of a request have at most 64 KiB together.")


class BodyTooLarge(MeshError, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, title="Request body too large"):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"At most {limit_bytes} bytes are accepted here.", limit_bytes=limit_bytes)


class IdempotencyKeyRequired(MeshError, status=HTTPStatus.BAD_REQUEST, title="Idempotency key required"): ...


class InvalidRequest(MeshError, status=HTTPStatus.UNPROCESSABLE_ENTITY, title="Invalid request"):
    """The request does not fit the published schema."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} field(s) do not fit the schema.", errors=[asdict(e) for e in errors])


class Unauthenticated(MeshError, status=HTTPStatus.UNAUTHORIZED, title="Not authenticated"):
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="mesh"'}


class Forbidden(MeshError, status=HTTPStatus.FORBIDDEN, title="Not allowed"): ...


class NotFound(MeshError, status=HTTPStatus.NOT_FOUND, title="Not found"): ...


class CursorNotFound(NotFound, title="Cursor not found"):
    """The cursor was not issued by this service for this list."""


class Conflict(MeshError, status=HTTPStatus.CONFLICT, title="Conflict"): ...


class IdempotencyKeyReused(Conflict, title="Idempotency key reused"):
    """The key already belongs to a request with another body."""


class IdempotentRequestRunning(Conflict, title="Request still running"):
    """The first request with this key has not been answered yet."""

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "1"}


class PreconditionFailed(MeshError, status=HTTPStatus.PRECONDITION_FAILED, title="Precondition failed"): ...


class PreconditionRequired(
    MeshError, status=HTTPStatus.PRECONDITION_REQUIRED, title="Precondition required"
): ...


class EventsPruned(MeshError, status=HTTPStatus.GONE, title="Events pruned"):
    """The events asked for are older than what the log keeps."""


class Unavailable(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Dependency unavailable"):
    """Something this request needs is down; trying again later is safe."""

    retry_after_s: ClassVar[int] = 2

    def __init__(self, *down: str) -> None:
        super().__init__(f"Not available now: {', '.join(down)}. Nothing was changed.", down=list(down))

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}
