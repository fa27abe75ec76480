"""What A2A calls its errors (specification §5.4), and how each binding spells them."""

from http import HTTPStatus
from typing import Any, ClassVar

DOMAIN = "a2a-protocol.org"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class A2aError(Exception):
    """An outcome of A2A; `grpc` is the name of its gRPC status, which HTTP+JSON shows (AIP-193)."""

    code: ClassVar[int]
    status: ClassVar[HTTPStatus]
    grpc: ClassVar[str]

    def __init_subclass__(
        cls, *, code: int, status: HTTPStatus = HTTPStatus.BAD_REQUEST, grpc: str = "INVALID_ARGUMENT"
    ) -> None:
        cls.code, cls.status, cls.grpc = code, status, grpc

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def details(self) -> list[dict[str, Any]]:
        """The error's own name for machines: `TaskNotFound` is `TASK_NOT_FOUND`."""
        name = "".join(f"_{c}" if c.isupper() else c.upper() for c in type(self).__name__)[1:]
        return [{"@type": ERROR_INFO, "reason": name, "domain": DOMAIN}]

    def as_rpc(self) -> dict[str, Any]:
        """The `error` member of a JSON-RPC answer."""
        return {"code": self.code, "message": self.message, "data": self.details}

    def as_http(self) -> dict[str, Any]:
        """The body of an HTTP+JSON answer."""
        error = {"code": int(self.status), "status": self.grpc, "message": self.message}
        return {"error": error | {"details": self.details}}


class TaskNotFound(A2aError, code=-32001, status=HTTPStatus.NOT_FOUND, grpc="NOT_FOUND"): ...


class TaskNotCancelable(A2aError, code=-32002, status=HTTPStatus.CONFLICT, grpc="FAILED_PRECONDITION"): ...


class PushNotificationNotSupported(A2aError, code=-32003, grpc="UNIMPLEMENTED"): ...


class UnsupportedOperation(A2aError, code=-32004, grpc="UNIMPLEMENTED"): ...


class ContentTypeNotSupported(A2aError, code=-32005, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE): ...


class ExtendedAgentCardNotConfigured(A2aError, code=-32007, grpc="FAILED_PRECONDITION"): ...


class VersionNotSupported(A2aError, code=-32009, grpc="UNIMPLEMENTED"): ...


class JsonRpcError(A2aError, code=-32603):
    """An error of JSON-RPC 2.0 itself (§5.1), for which A2A has no name."""

    @property
    def details(self) -> list[dict[str, Any]]:
        return []

    def as_rpc(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


class ParseError(JsonRpcError, code=-32700): ...


class InvalidRequest(JsonRpcError, code=-32600): ...


class MethodNotFound(JsonRpcError, code=-32601, status=HTTPStatus.NOT_FOUND, grpc="NOT_FOUND"): ...


class InvalidParams(JsonRpcError, code=-32602): ...
