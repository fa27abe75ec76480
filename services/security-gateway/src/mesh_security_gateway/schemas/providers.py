"""Upstreams."""

from typing import Self

from mesh_shared.wire import WireModel
from pydantic import Field

from mesh_security_gateway.domain import injectors
from mesh_security_gateway.domain.providers import Provider
from mesh_security_gateway.schemas.fields import ORIGIN, Name
from mesh_security_gateway.schemas.injectors import InjectorModel


class ProviderModel(WireModel):
    """An upstream, fixed for good: agents name a connection and never an origin."""

    name: Name
    origin: str = Field(
        pattern=f"^{ORIGIN}$",
        max_length=270,
        description="`https://host[:port]`; `http://` only with `allow_private`.",
        examples=["https://api.github.com"],
    )
    base_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){0,10}$",
        max_length=200,
        description="Goes before every path.",
        examples=["/v3"],
    )
    injector: InjectorModel
    allow_private: bool = Field(
        default=False,
        description="Lets the origin be a private address. Shown in every audit entry.",
        examples=[False],
    )

    def provider(self) -> Provider:
        return Provider(
            name=self.name,
            origin=self.origin,
            base_path=self.base_path,
            injector=injectors.injector(self.injector.model_dump()),
            allow_private=self.allow_private,
        )

    @classmethod
    def of(cls, provider: Provider) -> Self:
        return cls.model_validate(provider.members())
