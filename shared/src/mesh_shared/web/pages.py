"""Keyset pages: opaque signed cursors that stay right while rows are inserted."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request, Response
from itsdangerous import BadData, URLSafeSerializer
from pydantic import BaseModel, Field

from mesh_shared.errors import CursorNotFound

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="Items per page.")]
# What a cursor is made of; anything else was never one, NUL included.
CURSOR_PATTERN, CURSOR_LENGTH = r"^[A-Za-z0-9._-]*$", 1024
Cursor = Annotated[
    str | None,
    Query(
        max_length=CURSOR_LENGTH,
        pattern=CURSOR_PATTERN,
        description="`next_cursor` of the page before.",
        examples=[None],
    ),
]


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page.")


def position(request: Request, cursor: str | None) -> list[Any] | None:
    """The keyset values inside `cursor`. Raises `CursorNotFound` for one not signed for this path."""
    if cursor is None:
        return None
    try:
        values: list[Any] = _serializer(request).loads(cursor)
    except BadData:
        raise CursorNotFound("This list has no such cursor.") from None
    return values


def page(request: Request, response: Response, items: Sequence[T], limit: int, key: Sequence[Any]) -> Page[T]:
    """`items` (at most `limit`) as a page; its cursor continues after `key`, the last item's values."""
    if len(items) < limit:
        return Page[T](items=list(items), next_cursor=None)
    cursor = _serializer(request).dumps(list(key))
    url = request.url.include_query_params(cursor=cursor, limit=limit)
    response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Page[T](items=list(items), next_cursor=cursor)


def _serializer(request: Request) -> URLSafeSerializer:
    return URLSafeSerializer(request.app.state.platform.secret, salt=request.url.path)
