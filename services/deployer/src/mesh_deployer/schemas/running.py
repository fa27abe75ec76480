"""What is asked of a running deployment, on the wire."""

from datetime import datetime
from typing import Annotated, Self

from mesh_shared.wire import WireModel
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from mesh_deployer.domain.market import Terms
from mesh_deployer.ports import LogLine, Output
from mesh_deployer.schemas.money import Deposit
from mesh_deployer.schemas.sdl import HELLO, Sdl, Text


class UpdateRequest(WireModel):
    sdl: Sdl = Field(examples=[HELLO.replace("infinity", "3600")])


class DepositRequest(WireModel):
    """The deposit in all since the deployment was opened, so that asking twice locks it once."""

    deposit_uact: Deposit
    top_up_to_uact: Deposit | None = Field(
        default=None,
        description="How far it is raised by itself when it lasts less than 24 hours, so that it lasts 48; "
        "null for never.",
        examples=["5000000"],
    )


ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]


def _whole(value: object) -> object:
    """2.0 is the integer 2 in JSON Schema, inside of a mapping, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Replicas = Annotated[int, Field(ge=1, le=1_000), BeforeValidator(_whole)]


class ScaleRequest(WireModel):
    """Replicas by service; those that are not named keep theirs."""

    replicas: dict[ServiceName, Replicas] = Field(
        min_length=1,
        max_length=100,
        examples=[{"web": 2}],
        json_schema_extra={"additionalProperties": False},
    )


class CommandRequest(WireModel):
    service: ServiceName = Field(examples=["web"])
    command: list[Text] = Field(min_length=1, max_length=50, examples=[["uptime"]])


class OutputView(BaseModel):
    exit_code: int = Field(description="-1 when it was still running as its output was cut.", examples=[0])
    stdout: str
    stderr: str
    is_cut: bool = Field(description="Whether it wrote more than is kept.")

    @classmethod
    def of(cls, output: Output) -> Self:
        return cls(
            exit_code=output.exit_code, stdout=output.stdout, stderr=output.stderr, is_cut=output.is_cut
        )


class LogLineView(BaseModel):
    placement: str = Field(examples=["dcloud"])
    service: str = Field(examples=["web"])
    text: str
    at: datetime | None = Field(description="Null where a provider does not say.")

    @classmethod
    def of(cls, line: LogLine, terms: Terms) -> Self:
        return cls(placement=terms.placement(line.gseq), service=line.service, text=line.text, at=line.at)
