"""Which A2A a caller speaks (specification §3.6)."""

from fastapi import Request

from mesh_shared.a2a.errors import VersionNotSupported

HEADER = "A2A-Version"
SPOKEN = "1.0"
UNSAID = "0.3"


def require(request: Request) -> None:
    """Raises `VersionNotSupported` unless the request is of 1.0; who does not say speaks 0.3."""
    said = request.headers.get(HEADER) or request.query_params.get(HEADER) or UNSAID
    if said.split(".")[:2] != SPOKEN.split("."):
        raise VersionNotSupported(f"This agent speaks A2A {SPOKEN}: say so in {HEADER}.")
