"""Compose files and differences on the wire."""

from decimal import Decimal
from typing import Annotated, Self

from mesh_shared.wire import WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_deployer.domain import images
from mesh_deployer.domain.compose import Assumed, Conversion
from mesh_deployer.domain.difference import Carrier, Change, Difference
from mesh_deployer.domain.tree import MAX_BYTES
from mesh_deployer.schemas.money import PriceCeiling
from mesh_deployer.schemas.sdl import HELLO, NO_NUL, EnvName, IssueView, Sdl, Text

COMPOSE = """\
services:
  web:
    image: nginx:${TAG:-1.27}
    ports: ["80:80"]
    environment:
      API_TOKEN: ${API_TOKEN}
    deploy:
      resources:
        limits: {cpus: "0.5", memory: 256M}
"""
ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
Image = Annotated[str, StringConstraints(max_length=512, pattern=images.REFERENCE)]
_KEPT_BYTES = 32 * 2**40


class ComposeRequest(WireModel):
    """A compose file, and what it does not say."""

    compose: Annotated[str, StringConstraints(max_length=MAX_BYTES, pattern=NO_NUL)] = Field(
        description="The text of a compose file, at most 64 KiB.", examples=[COMPOSE]
    )
    variables: dict[EnvName, Text] = Field(
        default={},
        max_length=100,
        description="The values of ${NAME}; secrets do not belong here.",
        examples=[{"TAG": "1.27.5"}],
        json_schema_extra={"additionalProperties": False},
    )
    images: dict[ServiceName, Image] = Field(
        default={},
        max_length=100,
        description="What was built and pushed to a registry, by service.",
        examples=[{"api": "ghcr.io/acme/api:1.2"}],
        json_schema_extra={"additionalProperties": False},
    )
    cpu_millis: int = Field(
        default=500, ge=10, le=384_000, description="For services without a limit.", examples=[500]
    )
    memory_bytes: int = Field(
        default=2**29, ge=2**20, le=2 * 2**40, description="For services without a limit.", examples=[2**29]
    )
    disk_bytes: int = Field(
        default=2**30, ge=5 * 2**20, le=_KEPT_BYTES, description="Of each container.", examples=[2**30]
    )
    volume_bytes: int = Field(
        default=2**30, ge=5 * 2**20, le=_KEPT_BYTES, description="Of each named volume.", examples=[2**30]
    )
    max_price_uact_per_block: PriceCeiling | None = Field(
        default=None, description="For each replica; null for twice what Akash usually costs."
    )

    def assumed(self) -> Assumed:
        """The same in the domain's words."""
        price = self.max_price_uact_per_block
        return Assumed(
            cpu_millis=self.cpu_millis,
            memory_bytes=self.memory_bytes,
            disk_bytes=self.disk_bytes,
            volume_bytes=self.volume_bytes,
            price=None if price is None else Decimal(price),
            variables=self.variables,
            images=self.images,
        )


class ConversionView(BaseModel):
    """`ok` means that there is an SDL, and that it compiles; what is in `issues` then are warnings."""

    ok: bool
    sdl: str | None = Field(description="SDL 2.0; null when something keeps it from compiling.")
    version_hash: str | None = Field(description="SHA-256 of the manifest.", examples=["249d7b9e" * 8])
    issues: list[IssueView] = Field(
        description="What was assumed, changed or left behind. `sdl.` starts a path in the SDL itself."
    )

    @classmethod
    def of(cls, conversion: Conversion) -> Self:
        return cls(
            ok=conversion.ok,
            sdl=conversion.sdl,
            version_hash=conversion.version_hash if conversion.ok else None,
            issues=[IssueView.of(issue) for issue in conversion.issues],
        )


class DifferenceRequest(WireModel):
    before: Sdl
    after: Sdl = Field(examples=[HELLO.replace("trixie-slim", "bookworm-slim")])


class ChangeView(BaseModel):
    placement: str = Field(description="Empty for what concerns the whole document.", examples=["dcloud"])
    service: str = Field(description="Empty for what concerns the placement.", examples=["web"])
    what: str = Field(examples=["image"])
    before: str | None = Field(
        description="Null where nothing was, and where a secret might be shown.",
        examples=["debian:trixie-slim"],
    )
    after: str | None = Field(
        description="Null where nothing is, and where a secret might be shown.",
        examples=["debian:bookworm-slim"],
    )
    carried_by: Carrier
    reason: str = Field(examples=["Only the manifest says it: the lease stays."])

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(
            placement=change.placement,
            service=change.service,
            what=change.what,
            before=change.before,
            after=change.after,
            carried_by=change.carried_by,
            reason=change.reason,
        )


class DifferenceView(BaseModel):
    """What is different, and whether the lease can stay."""

    carried_by: Carrier = Field(
        description="nothing: they are the same. update: the lease stays. deployment: it takes a new one."
    )
    changes: list[ChangeView]

    @classmethod
    def of(cls, difference: Difference) -> Self:
        return cls(
            carried_by=difference.carried_by, changes=[ChangeView.of(change) for change in difference.changes]
        )
