"""The workspace analyzer: what a change affects, and why."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import msgspec

from mesh_client.channel import Channel, ended, segment
from mesh_client.streams import Event, events

BUILDING = frozenset({"queued", "running"})


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """A project that a change reaches: `direct`, `global`, or by the dependencies in `via`."""

    project: str
    reason: str
    files: list[str]
    via: list[dict[str, str]]


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What would be better, with what it rests on."""

    rule: str
    severity: str
    title: str
    action: str


class Analysis(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A comparison of two commits; `affected_status` is `fallback_all` when the change is not known."""

    id: str
    text: str
    workspace_root: str
    total_projects: int
    affected_projects: list[str]
    affected_status: str
    affected_detail: list[Affected]
    critical_path: dict[str, Any]
    recommendations: list[Recommendation]
    cost_impact: dict[str, Any]
    analysis_mode: str
    warnings: list[str]


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """A build of what is affected; `duration` is in seconds."""

    id: str
    analysis_id: str
    status: str
    success: bool | None = None
    duration: float | None = None
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class Analyzer:
    """Answers about monorepos under the roots that its operator allows."""

    channel: Channel

    async def analyze(
        self, workspace: str, *, base: str = "main", head: str = "HEAD", key: str | None = None
    ) -> Analysis:
        """What the commits from `base` to `head` affect. Raises `Problem` for what cannot be read."""
        body = {"workspace": workspace, "base": base, "head": head}
        return await self.channel.post("/v1/analyses", Analysis, body, key=key)

    async def analysis(self, analysis_id: str) -> Analysis:
        """An analysis that was made before."""
        return await self.channel.get(f"/v1/analyses/{segment(analysis_id)}", Analysis)

    async def build(self, analysis_id: str, *, key: str | None = None, within_s: float = 900.0) -> Build:
        """Builds what an analysis found affected, and waits for it."""
        path = f"/v1/analyses/{segment(analysis_id)}/builds"
        begun = await self.channel.post(path, Build, key=key)
        return await ended(
            lambda: self.channel.get(f"/v1/builds/{segment(begun.id)}", Build),
            lambda build: build.status not in BUILDING,
            within_s=within_s,
        )

    def events(self, *, after: int = 0) -> AsyncGenerator[Event]:
        """What the analyzer publishes, without end."""
        return events(self.channel, after=after)
