"""Each error of A2A has the codes that the specification gives it (§5.4), in either binding."""

import pytest
from mesh_shared.a2a import errors
from mesh_shared.a2a.errors import A2aError

SPECIFIED: list[tuple[type[A2aError], int, int, str]] = [
    (errors.TaskNotFound, -32001, 404, "NOT_FOUND"),
    (errors.TaskNotCancelable, -32002, 409, "FAILED_PRECONDITION"),
    (errors.PushNotificationNotSupported, -32003, 400, "UNIMPLEMENTED"),
    (errors.UnsupportedOperation, -32004, 400, "UNIMPLEMENTED"),
    (errors.ContentTypeNotSupported, -32005, 415, "INVALID_ARGUMENT"),
    (errors.ExtendedAgentCardNotConfigured, -32007, 400, "FAILED_PRECONDITION"),
    (errors.VersionNotSupported, -32009, 400, "UNIMPLEMENTED"),
    (errors.ParseError, -32700, 400, "INVALID_ARGUMENT"),
    (errors.InvalidRequest, -32600, 400, "INVALID_ARGUMENT"),
    (errors.MethodNotFound, -32601, 404, "NOT_FOUND"),
    (errors.InvalidParams, -32602, 400, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("error", "code", "status", "grpc"), SPECIFIED)
def test_an_error_has_its_code_in_either_binding(error: type[A2aError], code: int, status: int, grpc: str):
    raised = error("It went wrong.")

    rpc, http = raised.as_rpc(), raised.as_http()["error"]

    assert (rpc["code"], rpc["message"]) == (code, "It went wrong.")
    assert (http["code"], http["status"], http["message"]) == (status, grpc, "It went wrong.")


def test_no_two_errors_share_a_code():
    codes = [error.code for error, *_ in SPECIFIED]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", [errors.ParseError, errors.InvalidParams])
def test_an_error_of_json_rpc_itself_has_no_name_of_a2a(error: type[A2aError]):
    raised = error("It went wrong.")

    assert "data" not in raised.as_rpc()
    assert raised.as_http()["error"]["details"] == []
