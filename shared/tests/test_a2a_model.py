"""The data model of A2A holds its bounds, and writes what ProtoJSON has it write."""

from typing import Any

import pytest
from mesh_shared.a2a.errors import InvalidParams
from mesh_shared.a2a.jsonrpc import parsed
from mesh_shared.a2a.model import (
    A2aModel,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    SendConfiguration,
    State,
    TaskRequest,
)

Body = dict[str, Any]
TEXT: Body = {"text": "Hello"}
SAID: Body = {"messageId": "m", "role": "ROLE_USER", "parts": [TEXT]}

FITS: list[tuple[type[A2aModel], Body]] = [
    (Message, SAID | {"messageId": "m" * 200, "contextId": "c" * 200, "taskId": "t" * 200}),
    (Message, SAID | {"parts": [TEXT] * 100}),
    (Message, SAID | {"contextId": None, "metadata": None}),
    (SendConfiguration, {"historyLength": 0}),
    (GetTaskRequest, {"id": "t" * 200, "historyLength": 2**40}),
    (ListTasksRequest, {"pageSize": 1}),
    (ListTasksRequest, {"pageSize": 100, "contextId": "c" * 200, "historyLength": 0}),
]

UNFIT: list[tuple[type[A2aModel], Body, str]] = [
    (Message, SAID | {"messageId": ""}, "messageId"),
    (Message, SAID | {"messageId": "m" * 201}, "messageId"),
    (Message, SAID | {"messageId": 7}, "messageId"),
    (Message, SAID | {"contextId": ""}, "contextId"),
    (Message, SAID | {"taskId": "t" * 201}, "taskId"),
    (Message, SAID | {"role": "user"}, "role"),
    (Message, SAID | {"parts": []}, "parts"),
    (Message, SAID | {"parts": [TEXT] * 101}, "parts"),
    (Message, SAID | {"parts": [TEXT, {"text": 7}]}, "parts.1.text"),
    (Message, SAID | {"metadata": ["a"]}, "metadata"),
    (Message, SAID | {"extensions": [1]}, "extensions.0"),
    (SendConfiguration, {"historyLength": -1}, "historyLength"),
    (SendConfiguration, {"acceptedOutputModes": "text"}, "acceptedOutputModes"),
    (SendConfiguration, {"returnImmediately": "soon"}, "returnImmediately"),
    (TaskRequest, {}, "id"),
    (TaskRequest, {"id": ""}, "id"),
    (TaskRequest, {"id": ["t"]}, "id"),
    (TaskRequest, {"id": "t" * 201}, "id"),
    (GetTaskRequest, {"id": "t", "historyLength": -1}, "historyLength"),
    (GetTaskRequest, {"id": "t", "historyLength": 1.5}, "historyLength"),
    (ListTasksRequest, {"pageToken": "x" * 501}, "pageToken"),
    (ListTasksRequest, {"status": "COMPLETED"}, "status"),
    (ListTasksRequest, {"contextId": ""}, "contextId"),
    (ListTasksRequest, {"historyLength": -1}, "historyLength"),
    (ListTasksRequest, {"includeArtifacts": "some"}, "includeArtifacts"),
]


@pytest.mark.parametrize(("model", "body"), FITS)
def test_what_is_at_a_bound_fits(model: type[A2aModel], body: Body):
    read = parsed(model, body)

    assert parsed(model, read.wire()) == read


@pytest.mark.parametrize(("model", "body", "place"), UNFIT)
def test_what_is_beyond_a_bound_is_refused_with_its_place(model: type[A2aModel], body: Body, place: str):
    with pytest.raises(InvalidParams) as refused:
        parsed(model, body)

    assert refused.value.message == f"These do not fit: {place}."


def test_every_place_that_does_not_fit_is_named_at_once():
    with pytest.raises(InvalidParams) as refused:
        parsed(ListTasksRequest, {"pageSize": 0, "contextId": "", "status": "x"})

    assert refused.value.message == "These do not fit: contextId, pageSize, status."


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_parameters_are_an_object(value: object):
    with pytest.raises(InvalidParams, match="params"):
        parsed(TaskRequest, value)


@pytest.mark.parametrize("metadata", [{"a\0": 1}, {"a": ["b", {"c": "\0"}]}])
def test_nul_is_found_however_deep_it_is(metadata: Body):
    with pytest.raises(InvalidParams, match="NUL"):
        parsed(Message, SAID | {"metadata": metadata})


@pytest.mark.parametrize("empty", [{"text": ""}, {"data": 0}, {"data": False}, {"data": []}, {"data": {}}])
def test_a_part_may_be_empty_but_not_without_content(empty: Body):
    assert Part.model_validate(empty).wire() == empty


@pytest.mark.parametrize(
    "content", [{"text": "a", "data": 1}, {"raw": "dGNr", "url": "u"}, {"filename": "f"}]
)
def test_a_part_is_one_thing(content: Body):
    with pytest.raises(InvalidParams):
        parsed(Part, content)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (TEXT, "text/plain"),
        ({"data": {}}, "application/json"),
        ({"raw": "dGNr"}, "application/octet-stream"),
        ({"url": "https://agent.example/a"}, "application/octet-stream"),
        ({"raw": "dGNr", "mediaType": "Image/PNG"}, "image/png"),
    ],
)
def test_a_part_has_the_media_type_that_it_says_or_implies(part: Body, kind: str):
    assert Part.model_validate(part).kind == kind


def test_what_is_sent_has_camel_case_names_and_no_nulls():
    said = Message.model_validate({"message_id": "m", "role": "ROLE_AGENT", "parts": [TEXT], "task_id": None})

    assert said.wire() == {"messageId": "m", "role": "ROLE_AGENT", "parts": [TEXT]}


def test_a_null_inside_of_data_is_the_caller_s_and_is_kept():
    part: Body = {"data": {"a": None, "b": [None]}}

    assert Part.model_validate(part).wire() == part


def test_a_state_is_an_end_a_pause_or_work():
    ends = {state.name for state in State if state.is_end}
    pauses = {state.name for state in State if state.is_settled and not state.is_end}

    assert ends == {"COMPLETED", "FAILED", "CANCELED", "REJECTED"}
    assert pauses == {"INPUT_REQUIRED", "AUTH_REQUIRED"}
