"""SDL on the wire."""

from decimal import Decimal
from typing import Annotated, Self

from mesh_shared.wire import WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_deployer.domain import images
from mesh_deployer.domain.generation import Config
from mesh_deployer.domain.issues import Issue, Severity
from mesh_deployer.domain.sdl import Compilation
from mesh_deployer.domain.tree import MAX_BYTES
from mesh_deployer.domain.workload import Group
from mesh_deployer.schemas.money import PriceCeiling

HELLO = """\
version: "2.0"
services:
  web:
    image: debian:trixie-slim
    command: ["sleep", "infinity"]
    expose:
      - port: 80
        as: 80
        to:
          - global: true
profiles:
  compute:
    web:
      resources:
        cpu:
          units: 100m
        memory:
          size: 128Mi
        storage:
          size: 512Mi
  placement:
    dcloud:
      pricing:
        web:
          denom: uact
          amount: 100
deployment:
  web:
    dcloud:
      profile: web
      count: 1
"""
NO_NUL = r"^[^\x00]*$"
Sdl = Annotated[
    str,
    StringConstraints(max_length=MAX_BYTES, pattern=NO_NUL),
    Field(description="The text of an SDL, at most 64 KiB.", examples=[HELLO]),
]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Text = Annotated[str, StringConstraints(max_length=4096, pattern=NO_NUL)]
Words = Annotated[list[Text], Field(max_length=100, examples=[["sleep", "infinity"]])]


class ConfigModel(WireModel):
    """One service in plain words."""

    name: str = Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$", examples=["web"])
    image: str = Field(max_length=512, pattern=images.REFERENCE, examples=["debian:trixie-slim"])
    command: Words | None = Field(default=None, description="Instead of the image's entry point.")
    args: Words | None = Field(default=None, description="Instead of the image's arguments.")
    env: dict[EnvName, Text] = Field(
        default={},
        max_length=100,
        description="A secret is written as gateway://<connection>, never as its value.",
        examples=[{"GREETING": "hello", "MODEL_API_KEY": "gateway://model"}],
        json_schema_extra={"additionalProperties": False},
    )
    port: int = Field(ge=1, le=65535, description="Where the service listens.", examples=[8080])
    cpu_millis: int = Field(ge=10, le=384_000, description="Thousandths of a CPU.", examples=[500])
    memory_bytes: int = Field(ge=2**20, le=2 * 2**40, examples=[512 * 2**20])
    storage_bytes: int = Field(ge=5 * 2**20, le=32 * 2**40, examples=[2**30])
    replicas: int = Field(default=1, ge=1, le=20, examples=[1])
    max_price_uact_per_block: PriceCeiling

    def config(self) -> Config:
        """The same in the domain's words."""
        return Config(
            name=self.name,
            image=self.image,
            command=self.command,
            args=self.args,
            env=self.env,
            port=self.port,
            cpu_millis=self.cpu_millis,
            memory_bytes=self.memory_bytes,
            storage_bytes=self.storage_bytes,
            replicas=self.replicas,
            max_price_uact_per_block=Decimal(self.max_price_uact_per_block),
        )


class SdlView(BaseModel):
    sdl: str = Field(description="SDL 2.0.", examples=[HELLO])


class SdlRequest(WireModel):
    sdl: Sdl


class IssueView(BaseModel):
    path: str = Field(examples=["profiles.compute.web.resources.memory.size"])
    code: str = Field(description="Stable name of the finding.", examples=["quantity"])
    message: str = Field(examples=["Memory: not a size that Akash reads."])
    hint: str = Field(description="What to write instead; may be empty.", examples=["Write 512Mi."])
    severity: Severity = Field(description="Only errors keep an SDL from being deployed.")

    @classmethod
    def of(cls, issue: Issue) -> Self:
        return cls(
            path=issue.path,
            code=issue.code,
            message=issue.message,
            hint=issue.hint,
            severity=issue.severity,
        )


class UnitView(BaseModel):
    service: str = Field(examples=["web"])
    image: str = Field(examples=["debian:trixie-slim"])
    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
    count: int
    max_price: str = Field(
        description="Per replica and block, in the group's denomination.", examples=["100"]
    )
    public: bool = Field(description="Whether the world can reach a port of it.")


class GroupView(BaseModel):
    name: str = Field(examples=["dcloud"])
    denom: str = Field(examples=["uact"])
    attributes: dict[str, str] = Field(description="What a provider must have.")
    units: list[UnitView]

    @classmethod
    def of(cls, group: Group) -> Self:
        units = [
            UnitView(
                service=service.name,
                image=service.image,
                cpu_millis=service.resources.cpu_millis,
                memory_bytes=service.resources.memory_bytes,
                storage_bytes=service.resources.storage_bytes,
                count=service.count,
                max_price=f"{service.unit_price:f}",
                public=service.is_public,
            )
            for service in group.services
        ]
        return cls(name=group.name, denom=group.denom, attributes=dict(group.attributes or ()), units=units)


class ValidationView(BaseModel):
    """`ok` means that the SDL was compiled; what is in `issues` then are warnings."""

    ok: bool
    version_hash: str | None = Field(
        description="SHA-256 of the manifest, as Akash computes it; null when it was not compiled.",
        examples=["249d7b9e" * 8],
    )
    groups: list[GroupView]
    issues: list[IssueView]

    @classmethod
    def of(cls, compilation: Compilation) -> Self:
        issues = [IssueView.of(issue) for issue in compilation.issues]
        groups = [GroupView.of(group) for group in compilation.groups]
        return cls(ok=compilation.ok, version_hash=compilation.version_hash, groups=groups, issues=issues)
