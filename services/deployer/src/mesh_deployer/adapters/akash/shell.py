"""What a provider's shell is asked, and what it says, by whatever way it is met.

After akash-network/provider, gateway/rest: the first byte of a frame is its code, and the last frame says how
the command ended.
"""

from collections.abc import AsyncIterable, Sequence

import aiohttp
from mesh_shared.wire import ReadModel

from mesh_deployer.errors import CommandRefused, NotOffered
from mesh_deployer.ports import Output

MAX_BYTES = 64 * 1024
"""Kept of what a command writes."""
PARTING = aiohttp.ClientWSTimeout(ws_close=1)  # pyright: ignore[reportCallIssue] - aiohttp hides its fields
_STDOUT, _STDERR, _RESULT, _FAILURE = 100, 101, 102, 103


class _Result(ReadModel):
    """A code, or why there is none: then the code is 0 all the same."""

    exit_code: int
    message: str = ""


def asked(service: str, command: Sequence[str]) -> dict[str, str]:
    """The query for `command` beside the first replica of `service`.

    Raises `NotOffered` for an empty word: a provider would take it for the end of the command.
    """
    if not all(command):
        raise NotOffered("Akash's providers take no empty words in a command.")
    words = {f"cmd{number}": word for number, word in enumerate(command)}
    return {"stdin": "0", "tty": "0", "podIndex": "0", **words, "service": service}


async def output(said: AsyncIterable[bytes]) -> Output:
    """What a command has written, up to `MAX_BYTES` of it, and how it ended.

    Raises `CommandRefused`, and `ValueError` when nobody says how it ended.
    """
    written, left = {_STDOUT: b"", _STDERR: b""}, MAX_BYTES
    async for content in said:
        code, part = int.from_bytes(content[:1]), content[1:]
        if code == _RESULT:
            return _ended(written, _Result.model_validate_json(part))
        if code == _FAILURE:
            break
        if code in written:
            written[code] += part[:left]
            left -= len(part[:left])
        if not left:
            return _output(written, -1, is_cut=True)
    raise ValueError("a command without an end")


def _ended(written: dict[int, bytes], result: _Result) -> Output:
    if result.message:
        raise CommandRefused(f"The provider does not run it: {result.message[:300]}")
    return _output(written, result.exit_code)


def _output(written: dict[int, bytes], exit_code: int, *, is_cut: bool = False) -> Output:
    stdout, stderr = (written[code].decode(errors="replace") for code in (_STDOUT, _STDERR))
    return Output(exit_code=exit_code, stdout=stdout, stderr=stderr, is_cut=is_cut)
