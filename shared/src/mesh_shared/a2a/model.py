"""The data model of A2A 1.0 (specification §4) in ProtoJSON: camelCase, enums by name, no nulls.

A reader takes both spellings of a name and ignores what it does not know, as ProtoJSON has it.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
MAX_PAGE = 100


def _in_utc(at: datetime) -> datetime:
    """Raises `ValueError` for a time whose year in UTC is none; who says no offset means UTC."""
    try:
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError("no time of UTC") from None


Instant = Annotated[datetime, AfterValidator(_in_utc)]


class A2aModel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
    )

    def wire(self) -> dict[str, Any]:
        """The value as it is sent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Role(StrEnum):
    USER = "ROLE_USER"
    AGENT = "ROLE_AGENT"


class State(StrEnum):
    """A task's state; ends are final, and a pause waits for the caller's next message."""

    SUBMITTED = "TASK_STATE_SUBMITTED"
    WORKING = "TASK_STATE_WORKING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    CANCELED = "TASK_STATE_CANCELED"
    REJECTED = "TASK_STATE_REJECTED"
    INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"
    AUTH_REQUIRED = "TASK_STATE_AUTH_REQUIRED"

    @property
    def is_end(self) -> bool:
        return self in _ENDS

    @property
    def is_settled(self) -> bool:
        """Whether the agent does nothing more until somebody writes to it."""
        return self.is_end or self.is_pause

    @property
    def is_pause(self) -> bool:
        """Whether the agent waits for the caller's next message."""
        return self in _PAUSES


_ENDS = frozenset({State.COMPLETED, State.FAILED, State.CANCELED, State.REJECTED})
_PAUSES = frozenset({State.INPUT_REQUIRED, State.AUTH_REQUIRED})


class Part(A2aModel):
    """Exactly one of a text, bytes in base64, an address of a file, or a JSON value."""

    text: str | None = None
    raw: str | None = None
    url: str | None = None
    data: Any | None = None
    media_type: str | None = None
    filename: str | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if sum(value is not None for value in (self.text, self.raw, self.url, self.data)) != 1:
            raise ValueError("a part is exactly one of text, raw, url, data")
        return self

    @property
    def kind(self) -> str:
        """The media type, said or implied."""
        implied = "text/plain" if self.text is not None else "application/json"
        is_file = self.raw is not None or self.url is not None
        return (self.media_type or ("application/octet-stream" if is_file else implied)).lower()


class Message(A2aModel):
    message_id: Id
    role: Role
    parts: list[Part] = Field(min_length=1, max_length=100)
    context_id: Id | None = None
    task_id: Id | None = None
    metadata: dict[str, Any] | None = None
    extensions: list[str] | None = None
    reference_task_ids: list[str] | None = None


class Artifact(A2aModel):
    artifact_id: Id
    parts: list[Part] = Field(min_length=1)
    name: str | None = None
    description: str | None = None


class Status(A2aModel):
    """`timestamp` is ISO 8601 in UTC with milliseconds and a Z (§5.6.1)."""

    state: State
    message: Message | None = None
    timestamp: str


class Task(A2aModel):
    id: Id
    context_id: Id
    status: Status
    artifacts: list[Artifact] | None = None
    history: list[Message] | None = None

    def shown(self, history_length: int | None, *, with_artifacts: bool = True) -> "Task":
        """The task with its newest `history_length` messages; all of them for None, no member for 0."""
        history = self.history or []
        if history_length is not None:
            history = history[len(history) - min(history_length, len(history)) :] if history_length else []
        changes = {"history": history or None}
        return self.model_copy(update=changes if with_artifacts else changes | {"artifacts": None})


class StatusUpdate(A2aModel):
    task_id: Id
    context_id: Id
    status: Status


class ArtifactUpdate(A2aModel):
    task_id: Id
    context_id: Id
    artifact: Artifact
    append: bool | None = None
    last_chunk: bool | None = None


class StreamResponse(A2aModel):
    """One event: exactly one of its members."""

    task: Task | None = None
    message: Message | None = None
    status_update: StatusUpdate | None = None
    artifact_update: ArtifactUpdate | None = None


class SendConfiguration(A2aModel):
    return_immediately: bool = False
    history_length: int | None = Field(default=None, ge=0)
    accepted_output_modes: list[str] | None = None
    task_push_notification_config: dict[str, Any] | None = None


class SendMessageRequest(A2aModel):
    message: Message
    configuration: SendConfiguration = SendConfiguration()
    metadata: dict[str, Any] | None = None


class SendMessageResponse(A2aModel):
    """A task, or the whole answer in one message."""

    task: Task | None = None
    message: Message | None = None


class TaskRequest(A2aModel):
    id: Id


class GetTaskRequest(TaskRequest):
    history_length: int | None = Field(default=None, ge=0)


class ListTasksRequest(A2aModel):
    context_id: Id | None = None
    status: State | None = None
    page_size: int = Field(default=50, ge=1, le=MAX_PAGE)
    page_token: str = Field(default="", max_length=500)
    history_length: int | None = Field(default=None, ge=0)
    status_timestamp_after: Instant | None = None
    include_artifacts: bool = False


class ListTasksResponse(A2aModel):
    tasks: list[Task]
    next_page_token: str
    page_size: int
    total_size: int


class AnyRequest(A2aModel):
    """Parameters of an operation that we only refuse."""
