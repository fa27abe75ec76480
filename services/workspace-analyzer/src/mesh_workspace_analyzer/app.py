"""Composition root: the one module that names concrete adapters."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.platform import Platform

from mesh_workspace_analyzer.actions import PLUGIN
from mesh_workspace_analyzer.adapters.archives import ArchiveSources
from mesh_workspace_analyzer.adapters.eslint import WithBoundaries
from mesh_workspace_analyzer.adapters.folders import Roots
from mesh_workspace_analyzer.adapters.histories import FolderHistories
from mesh_workspace_analyzer.adapters.nx import NxFullReader, NxReader, NxTool, version
from mesh_workspace_analyzer.adapters.places import AllSources
from mesh_workspace_analyzer.adapters.processes import remove
from mesh_workspace_analyzer.adapters.remotes import RemoteSources
from mesh_workspace_analyzer.adapters.sandbox import Bubblewrap
from mesh_workspace_analyzer.adapters.sources import GitSources, Limits
from mesh_workspace_analyzer.adapters.static.reader import StaticReader
from mesh_workspace_analyzer.api import analyses, archives, builds, exports, jobs, webhooks
from mesh_workspace_analyzer.domain.analysis import Mode
from mesh_workspace_analyzer.domain.push import Secret
from mesh_workspace_analyzer.ports import Reader
from mesh_workspace_analyzer.service import WorkspaceAnalyzer
from mesh_workspace_analyzer.service.analyses import AnalysisDesk
from mesh_workspace_analyzer.service.builds import BuildDesk
from mesh_workspace_analyzer.service.conclusions import MOST_CONCLUSIONS, Conclusions
from mesh_workspace_analyzer.service.jobs import JobDesk
from mesh_workspace_analyzer.service.questions import QuestionDesk
from mesh_workspace_analyzer.service.webhooks import WebhookDesk
from mesh_workspace_analyzer.settings import Settings

ABOUT = About(
    title="371 Mesh workspace analyzer",
    summary="Says what a change in a monorepo affects and what it costs.",
)


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The service; `keys` stands in for the gateway's in tests."""

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[WorkspaceAnalyzer, None]:
        scratch = settings.state_dir / "scratch"
        await remove(scratch)  # what an earlier life left when it was killed
        scratch.mkdir(parents=True)
        scratch = scratch.resolve()
        sandbox = Bubblewrap(scratch) if settings.sandbox == "bubblewrap" else None
        allowed = settings
        if sandbox is not None and not await sandbox.works():
            allowed = settings.model_copy(update={"allow_builds": False, "allow_plugins": False})
        analyzer = _wired(allowed, platform, scratch, sandbox)
        platform.checks.add("git", analyzer.analyses.readers[Mode.STATIC].versions)
        platform.run("builds", analyzer.builds.turn)
        platform.run("jobs", analyzer.jobs.turn)
        yield analyzer

    return build(
        ABOUT,
        settings,
        routers=[
            analyses.router,
            archives.router,
            exports.router,
            jobs.router,
            builds.router,
            webhooks.router,
        ],
        plugin=PLUGIN,
        start=start,
        keys=keys,
        body_limits={archives.PATH: settings.max_archive_bytes, webhooks.PATH: webhooks.MOST_BYTES},
    )


def _wired(
    settings: Settings, platform: Platform, scratch: Path, sandbox: Bubblewrap | None
) -> WorkspaceAnalyzer:
    sources = _sources(settings, scratch)
    tool = NxTool(
        modules=settings.nx_modules_dir,
        timeout_s=settings.analysis_timeout_s,
        build_timeout_s=settings.build_timeout_s,
        max_build_output_bytes=settings.max_build_output_bytes,
        sandbox=sandbox,
    )
    archive_sources = ArchiveSources(
        scratch=scratch, timeout_s=settings.analysis_timeout_s, limits=_limits(settings)
    )
    analysis_desk = AnalysisDesk(
        database=platform.database,
        sources=sources,
        archives=archive_sources,
        histories=FolderHistories(Roots(settings.workspace_roots)),
        readers=_readers(settings, tool),
        reading=asyncio.Semaphore(settings.parallel_analyses),
        graphs_kept=settings.graphs_kept,
        conclusions=Conclusions(min(settings.graphs_kept, MOST_CONCLUSIONS)),
        analyses_kept=settings.analyses_kept,
    )
    build_desk = BuildDesk(
        database=platform.database,
        sources=sources,
        tool=tool,
        instance=settings.instance,
        is_allowed=settings.allow_builds,
        kept=settings.builds_kept,
    )
    secret = None if (path := settings.github_secret_file) is None else Secret(path.read_bytes().strip())
    job_desk = JobDesk(analyses=analysis_desk, instance=settings.instance, kept=settings.jobs_kept)
    webhook_desk = WebhookDesk(job_desk, secret, settings.github_workspaces)
    return WorkspaceAnalyzer(
        analysis_desk, build_desk, QuestionDesk(platform.database), job_desk, webhook_desk
    )


def _readers(settings: Settings, tool: NxTool) -> dict[Mode, Reader]:
    """Who reads in each tier that is allowed here."""
    readers: dict[Mode, Reader] = {
        Mode.STATIC: StaticReader(partial(version, "git")),
        Mode.NX_CORE: NxReader(tool),
    }
    if settings.allow_plugins and settings.sandbox == "bubblewrap":
        readers[Mode.NX_FULL] = NxFullReader(tool)
    return {mode: WithBoundaries(reader) for mode, reader in readers.items()}


def _limits(settings: Settings) -> Limits:
    return Limits(files=settings.max_workspace_files, size_bytes=settings.max_workspace_bytes)


def _sources(settings: Settings, scratch: Path) -> AllSources:
    limits = _limits(settings)
    folders = GitSources(
        roots=Roots(settings.workspace_roots),
        scratch=scratch,
        timeout_s=settings.analysis_timeout_s,
        limits=limits,
    )
    remotes = RemoteSources(
        hosts=frozenset(settings.git_hosts),
        allow_private=settings.allow_private_git_hosts,
        ca_file=settings.git_ca_file,
        scratch=scratch,
        timeout_s=settings.analysis_timeout_s,
        limits=limits,
    )
    return AllSources(folders, remotes)
