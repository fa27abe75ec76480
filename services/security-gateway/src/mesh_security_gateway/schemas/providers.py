"""Upstreams, and where a secret goes."""

from typing import Annotated, Literal

from mesh_shared.wire import WireModel
from pydantic import Field

from mesh_security_gateway.schemas.fields import Name

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PORT = r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"


class Bearer(WireModel):
    """`Authorization: Bearer <secret>`."""

    kind: Literal["bearer"] = Field(examples=["bearer"])


class Basic(WireModel):
    """`Authorization: Basic <base64 of user:password>`."""

    kind: Literal["basic"] = Field(examples=["basic"])


class HeaderKey(WireModel):
    """`<name>: <secret>`."""

    kind: Literal["header"] = Field(examples=["header"])
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$", examples=["X-Api-Token"])


class QueryKey(WireModel):
    """`?<name>=<secret>`."""

    kind: Literal["query"] = Field(examples=["query"])
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$", examples=["api_key"])


InjectorModel = Annotated[
    Bearer | Basic | HeaderKey | QueryKey,
    Field(description="Where the secret goes.", examples=[{"kind": "bearer"}]),
]


class ProviderModel(WireModel):
    """An upstream, fixed for good: agents name a connection and never an origin."""

    name: Name
    origin: str = Field(
        pattern=rf"^https?://(({_LABEL}\.){{0,8}}{_LABEL}|\[[0-9a-f:.]{{2,45}}\]){_PORT}$",
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
