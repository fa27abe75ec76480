"""What containers write, and commands run beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from docker.models.containers import Container

from mesh_deployer.ports import LogLine, Output

MAX_BYTES = 64 * 1024
"""Kept of what a command writes, and of one look at a log."""
MAX_LINE = 4096


@dataclass(frozen=True, slots=True)
class Replica:
    """A container, of which service, in which placement."""

    gseq: int
    service: str
    container: Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Lines of all replicas by their time, the last time seen by container, and whether more can come."""

    lines: tuple[LogLine, ...]
    seen: dict[str, str] = field(default_factory=dict[str, str])
    has_more: bool


def read(replicas: Sequence[Replica], tail: int) -> Reading:
    """The last `tail` lines of each."""
    return _reading(replicas, {}, tail)


def read_on(replicas: Sequence[Replica], after: Reading) -> Reading:
    """The lines that were written since `after`."""
    return _reading(replicas, after.seen, None)


def run(container: Container, command: Sequence[str]) -> Output:
    """Runs `command` in a container and keeps the first `MAX_BYTES` that it writes."""
    api = container.client.api  # pyright: ignore[reportOptionalMemberAccess] - every listed one has its client
    id = api.exec_create(container.id, list(command))["Id"]
    written: tuple[list[bytes], list[bytes]] = ([], [])
    left = MAX_BYTES
    for parts in api.exec_start(id, stream=True, demux=True):
        for kept, part in zip(written, parts, strict=True):
            kept.append((part or b"")[:left])
            left -= len(kept[-1])
        if not left:
            break
    stdout, stderr = (b"".join(kept).decode(errors="replace") for kept in written)
    code = api.exec_inspect(id)["ExitCode"]
    return Output(exit_code=-1 if code is None else code, stdout=stdout, stderr=stderr, is_cut=not left)


def _reading(replicas: Sequence[Replica], seen: dict[str, str], tail: int | None) -> Reading:
    names = [replica.container.name or "" for replica in replicas]
    found = [
        list(_written(replica.container, seen.get(name, ""), tail))
        for replica, name in zip(replicas, names, strict=True)
    ]
    told = [
        (at, r.gseq, r.service, text) for r, lines in zip(replicas, found, strict=True) for at, text in lines
    ]
    return Reading(
        lines=tuple(
            LogLine(service=service, text=text, at=datetime.fromisoformat(at), gseq=gseq)
            for at, gseq, service, text in sorted(told)
        ),
        seen=seen | {name: lines[-1][0] for name, lines in zip(names, found, strict=True) if lines},
        has_more=any(replica.container.status == "running" for replica in replicas),
    )


def _written(container: Container, after: str, tail: int | None) -> Iterator[tuple[str, str]]:
    """Time and text of the lines after a time. Docker's times all have nine digits, so they sort as text."""
    since = int(datetime.fromisoformat(after).timestamp()) if after else None
    raw = container.logs(timestamps=True, tail="all" if tail is None else tail, since=since)
    for line in raw[-MAX_BYTES:].decode(errors="replace").splitlines():
        at, space, text = line.partition(" ")
        if space and at.endswith("Z") and at > after:
            yield at, text[:MAX_LINE]
