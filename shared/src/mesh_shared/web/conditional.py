"""Strong ETags from content versions: 304 for what the caller has, 412 for what it no longer has."""

from typing import Annotated

from fastapi import Header, Request, Response

from mesh_shared.errors import PreconditionFailed

IfMatch = Annotated[
    str,
    Header(max_length=200, description="ETag of the version that you mean to change.", examples=["*"]),
]
"""Required on PATCH and DELETE; leaving it out is answered with 428."""


class NotModified(Exception):
    """Ends a GET whose caller already has this version; rendered as 304."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def tag(request: Request, response: Response, version: object) -> None:
    """Marks the answer with the version's ETag. Raises `NotModified` when `If-None-Match` names it."""
    etag = f'"{version}"'
    if is_known(request, etag):
        raise NotModified(etag)
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has this version: `If-None-Match` compares weakly (RFC 9110 §13.1.2)."""
    known = {tag.removeprefix("W/") for tag in _tags(request.headers.get("if-none-match", ""))}
    return bool(known & {"*", etag})


def require_match(if_match: str, version: object) -> None:
    """Lets a change through only when the caller saw `version`; else raises `PreconditionFailed`."""
    if not _tags(if_match) & {"*", f'"{version}"'}:
        raise PreconditionFailed("It has changed since you read it; read it again.")


def _tags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",")}
