"""The way to one service: requests with types, repeated where that is safe, and lists that go on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
import msgspec
import stamina

from mesh_client.problems import MeshError, Problem, Unfinished, Unreachable

T = TypeVar("T")
LONGEST_PAUSE_S = 30.0
LONGEST_LOOK_S = 2.0
PAGE = 100
BUSY = frozenset({429, 503})
CONFLICT = 409


class _Page(msgspec.Struct, Generic[T]):
    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take: `attempts` within `timeout_s`, each of at most `request_s` seconds."""

    attempts: int = 5
    timeout_s: float = 60.0
    request_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A service's address, with what proves who asks."""

    http: httpx.AsyncClient
    url: str
    auth: httpx.Auth | None
    patience: Patience

    async def get(self, path: str, kind: type[T], /, **query: Any) -> T:
        """What is there, as `kind`. Raises `Problem` or `Unreachable`."""
        return decoded(await self._send("GET", path, params=_given(query)), kind)

    async def post(
        self, path: str, kind: type[T], body: Any = None, *, key: str | None = None, **query: Any
    ) -> T:
        """What came of it, once, however often it had to be sent: all repetitions have the same key.

        A caller's own `key` makes it once across its own restarts, too. Raises `Problem` or `Unreachable`.
        """
        headers = {"Idempotency-Key": key or str(uuid4())}
        return decoded(await self._send("POST", path, json=body, headers=headers, params=_given(query)), kind)

    async def post_once(self, path: str, kind: type[T], body: Any = None) -> T:
        """As `post`, for what knows no keys: never repeated, so `Unreachable` may mean that it was done."""
        return decoded(await self._answer("POST", path, json=body), kind)

    async def pages(self, path: str, kind: type[T], /, **query: Any) -> AsyncIterator[T]:
        """All of a list, asked for page by page as it is read."""
        cursor: str | None = None
        while True:
            page = await self.get(path, _Page[kind], limit=PAGE, cursor=cursor, **query)
            for item in page.items:
                yield item
            if (cursor := page.next_cursor) is None:
                return

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        again = stamina.AsyncRetryingCaller(
            attempts=self.patience.attempts, timeout=self.patience.timeout_s, wait_max=LONGEST_PAUSE_S
        )
        return await again(_pause, self._answer, method, path, **options)

    async def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self.http.request(
                method, f"{self.url}{path}", auth=self.auth, timeout=self.patience.request_s, **options
            )
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} does not answer: {type(error).__name__}.") from error
        if response.is_error:
            raise Problem.of(response)
        return response


async def ended(
    look: Callable[[], Awaitable[T]], is_over: Callable[[T], bool], *, within_s: float, every_s: float = 0.25
) -> T:
    """The first look at something that is over. Raises `Unfinished` when that takes longer."""

    async def once() -> T:
        if is_over(seen := await look()):
            return seen
        raise Unfinished(f"It has not ended within {within_s:g} s, and goes on.")

    again = stamina.AsyncRetryingCaller(
        attempts=None, timeout=within_s, wait_initial=every_s, wait_max=LONGEST_LOOK_S, wait_jitter=0.1
    )
    return await again(Unfinished, once)


def segment(name: object) -> str:
    """A name as one segment of a path, whatever is in it.

    Dots alone, which `quote` leaves as they are, would lead up the path (RFC 3986 §5.2.4).
    """
    quoted = quote(str(name), safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def decoded(response: httpx.Response, kind: type[T]) -> T:
    """The response as `kind`; unknown members are left out. Raises `MeshError` for one that does not fit."""
    try:
        # Amounts are decimal strings, as JSON's numbers are not exact; here they are integers again.
        return msgspec.json.decode(response.content, type=kind, strict=False)
    except msgspec.MsgspecError as error:
        raise MeshError(f"{response.url} answered what this client does not know: {error}") from None


def _pause(error: Exception) -> bool | float:
    """Whether to ask again, and after how many seconds where the service says so."""
    if isinstance(error, Unreachable):
        return True
    if not isinstance(error, Problem):
        return False
    # 409 with a time: the first request under this key still runs.
    is_busy = error.status in BUSY or (error.status == CONFLICT and error.retry_after_s is not None)
    if not is_busy:
        return False
    return True if error.retry_after_s is None else min(error.retry_after_s, LONGEST_PAUSE_S)


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
