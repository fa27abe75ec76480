"""Workspaces in repositories of other machines: fetched over https from hosts that the operator has named.

git gets commits by their SHA, an address that we have looked up and checked, and nothing of a caller's but
the path of the URL. It follows no redirect and asks nobody for a password.
"""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mesh_shared.addresses import is_public
from mesh_shared.errors import Unavailable

from mesh_workspace_analyzer.adapters.git import Git, GitRefused, borrowing
from mesh_workspace_analyzer.adapters.sources import Limits, OpenSource, Reading, a_home
from mesh_workspace_analyzer.errors import AddressNotPublic, HistoryTooLarge, HostNotAllowed, RevisionNotFound

SCHEME = "https://"
HTTPS_PORT = 443
LOOKUP_S = 10.0
SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# gitrevisions(7): the places that a name is looked for in, in their order.
PLACES = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}")
OPTIONS = {
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "http.proxy": "",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "submodule.recurse": "false",
}
ENVIRONMENT = {"GIT_ALLOW_PROTOCOL": "https"}
BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a workspace is: a repository, and a folder in it."""

    url: str
    host: str
    port: int
    folder: str

    @classmethod
    def of(cls, workspace: str) -> "Remote":
        """The URL of a repository; its fragment is a folder."""
        parts = urlsplit(workspace)
        url = parts._replace(fragment="").geturl()
        return cls(url, parts.hostname or "", parts.port or HTTPS_PORT, parts.fragment or ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSources:
    """Implements `ports.Sources` for URLs."""

    hosts: frozenset[str]
    """Names, with a port where it is not 443."""
    allow_private: bool
    ca_file: Path | None
    scratch: Path
    timeout_s: float
    limits: Limits

    @asynccontextmanager
    async def open(self, workspace: str, *, base: str, head: str) -> AsyncGenerator[OpenSource, None]:
        """See `ports.Sources.open`. Raises `HostNotAllowed`, `AddressNotPublic` or `HistoryTooLarge` too."""
        remote = Remote.of(workspace)
        options = await self._options(remote)
        async with a_home(self.scratch) as home:
            git = await borrowing(None, home, self.timeout_s)
            line = _Line(git, remote.url, options, self.limits.size_bytes)
            reading = Reading(git, home, remote.folder, workspace, base, head, self.limits)
            yield OpenSource(
                comparison=await reading.between(*await line.commits(base, head)),
                git=git,
                folder=home,
                home=home,
                prefix=remote.folder,
                limits=self.limits,
            )

    async def _options(self, remote: Remote) -> dict[str, str]:
        """What git is told of where to dial, and whom to trust there."""
        place = remote.host if remote.port == HTTPS_PORT else f"{remote.host}:{remote.port}"
        if place not in self.hosts:
            raise HostNotAllowed(place)
        addresses = await _addresses(remote)
        if not self.allow_private and not all(map(is_public, addresses)):
            raise AddressNotPublic(place)
        written = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
        pinned = {"http.curloptResolve": f"{remote.host}:{remote.port}:{written}"}
        return OPTIONS | pinned | ({"http.sslCAInfo": str(self.ca_file)} if self.ca_file else {})


@dataclass(frozen=True, slots=True)
class _Line:
    """One repository elsewhere, as git of ours reaches it."""

    git: Git
    url: str
    options: Mapping[str, str]
    most_bytes: int

    async def commits(self, base: str, head: str) -> tuple[str | None, str]:
        """Fetches two commits with their histories: the base, None where there is none, and the head."""
        refs = _refs(await self._ask("ls-remote", "--", self.url))
        sha = _named(refs, head)
        if sha is None or not await self._fetch(sha):
            raise RevisionNotFound(head)
        older = _named(refs, base)
        return (older if older and await self._fetch(older) else None), sha

    async def _fetch(self, sha: str) -> bool:
        """False when the repository has no such commit."""
        try:
            await self._ask("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self.url, sha)
        except GitRefused as refused:
            if await asyncio.to_thread(self._is_full):
                raise HistoryTooLarge(self.most_bytes) from None
            if "not our ref" in str(refused):
                return False
            raise
        return await self.git.find("cat-file", "-t", sha) == "commit"

    def _is_full(self) -> bool:
        """Whether a file came to the limit, at which the system ends whoever writes it; git does not say."""
        packs = (self.git.git_dir / "objects" / "pack").glob("*")
        return any(pack.stat().st_size > self.most_bytes - BLOCK_BYTES for pack in packs)

    async def _ask(self, *arguments: str) -> bytes:
        told = [part for name, value in self.options.items() for part in ("-c", f"{name}={value}")]
        return await self.git.ask(*told, *arguments, extra=ENVIRONMENT, largest_file_bytes=self.most_bytes)


async def _addresses(remote: Remote) -> list[str]:
    """Raises `Unavailable` when nobody knows the host."""
    try:
        async with asyncio.timeout(LOOKUP_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                remote.host, remote.port, type=socket.SOCK_STREAM
            )
    except (OSError, TimeoutError):
        raise Unavailable(remote.host) from None
    return sorted({str(address[0]) for *_, address in found})


def _refs(answer: bytes) -> dict[str, str]:
    """Names with their commits; a tag with a text of its own is told twice, the second time as `…^{}`."""
    lines = (line.partition("\t") for line in answer.decode(errors="replace").splitlines())
    return {name.removesuffix("^{}"): sha for sha, _, name in lines}


def _named(refs: Mapping[str, str], name: str) -> str | None:
    if SHA.fullmatch(name):
        return name
    return next((refs[place] for form in PLACES if (place := form.format(name)) in refs), None)
