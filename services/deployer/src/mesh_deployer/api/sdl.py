"""SDL: write one, check one, compare two."""

from typing import Annotated

from fastapi import APIRouter
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_deployer.domain.compose import convert
from mesh_deployer.domain.difference import difference
from mesh_deployer.domain.generation import generate_sdl as generate
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.schemas.conversion import (
    ComposeRequest,
    ConversionView,
    DifferenceRequest,
    DifferenceView,
)
from mesh_deployer.schemas.sdl import ConfigModel, SdlRequest, SdlView, ValidationView

SCOPE = "deployer:deploy"

router = APIRouter(prefix="/v1/sdl", tags=["sdl"], route_class=MeshRoute)


@router.post("", operation_id="generate_sdl", summary="Generate an SDL")
async def generate_sdl(body: ConfigModel, caller: Annotated[Principal, allow(SCOPE)]) -> SdlView:
    """SDL 2.0 for one service: its port open to the world as port 80, placed on `dcloud`, priced in uact.

    A variable that looks like a secret is refused with 409 `secret-in-sdl`.
    """
    return SdlView(sdl=generate(body.config()))


@router.post("/validate", operation_id="validate_sdl", summary="Validate an SDL")
async def validate_sdl(body: SdlRequest, caller: Annotated[Principal, allow(SCOPE)]) -> ValidationView:
    """Every fault with its place and a hint, or the groups and Akash's hash of the manifest."""
    return ValidationView.of(compile_sdl(body.sdl))


@router.post("/from-compose", operation_id="convert_compose", summary="Convert a compose file")
async def convert_compose(body: ComposeRequest, caller: Annotated[Principal, allow(SCOPE)]) -> ConversionView:
    """A compose file as an SDL that compiles, or every reason why there is none.

    A variable that looks like a secret names a connection of the security gateway instead. What Akash lacks
    (`depends_on`, health checks, files of this machine) is left behind and said, each with a hint.
    """
    return ConversionView.of(convert(body.compose, body.assumed()))


@router.post("/diff", operation_id="diff_sdl", summary="Compare two SDLs")
async def diff_sdl(body: DifferenceRequest, caller: Annotated[Principal, allow(SCOPE)]) -> DifferenceView:
    """What is different, and for each change whether an update can carry it or a new lease is needed.

    One that does not compile is refused with 409 `sdl-invalid`; so is a pair of them.
    """
    return DifferenceView.of(difference(compile_sdl(body.before), compile_sdl(body.after)))
