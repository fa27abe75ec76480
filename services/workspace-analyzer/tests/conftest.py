"""Real workspaces with real history, the real Nx, and the service on both databases."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from in_memory import NOTHING, Abacus, Diary, Held, Shelf, Workshop
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.testing import Issuer, running, with_schema
from mesh_workspace_analyzer.adapters.archives import ArchiveSources
from mesh_workspace_analyzer.adapters.folders import Roots
from mesh_workspace_analyzer.adapters.nx import NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources, Limits
from mesh_workspace_analyzer.adapters.static.reader import StaticReader
from mesh_workspace_analyzer.app import create_app
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Analysis, Mode, conclude
from mesh_workspace_analyzer.domain.build import Build
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run as FormerRun
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.repository import Analyses, GraphRow
from mesh_workspace_analyzer.service.analyses import AnalysisDesk
from mesh_workspace_analyzer.service.builds import BuildDesk
from mesh_workspace_analyzer.settings import Settings
from pydantic import SecretStr
from sqlalchemy import insert, select

ROOT = Path(__file__).parents[3]
MODULES = ROOT / "node_modules"
SCOPES = ("workspace:analyze", "workspace:build", "actions:invoke", "events:read")
GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")

Run = Callable[..., str]
MakeApp = Callable[..., FastAPI]
Serve = Callable[[FastAPI], AbstractAsyncContextManager[AsyncClient]]


@pytest.fixture(scope="session")
def nx() -> Path:
    """The Nx of this repository; without it a test cannot say anything."""
    if shutil.which("node") is None or not (MODULES / "nx" / "package.json").exists():
        pytest.skip("Node or node_modules is missing: run `make setup`")
    return MODULES / "nx" / "dist" / "bin" / "nx.js"


@pytest.fixture(scope="session")
def storefront_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("template") / "storefront"
    script = ROOT / "examples" / "workspaces" / "history.py"
    subprocess.run(
        [sys.executable, script, "storefront", target], check=True, capture_output=True, timeout=60
    )
    return target


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder whose workspaces may be analysed."""
    folder = tmp_path / "roots"
    folder.mkdir()
    return folder


@pytest.fixture
def storefront(roots: Path, storefront_template: Path) -> Path:
    """The example workspace with its history, a copy for this test."""
    return Path(shutil.copytree(storefront_template, roots / "storefront"))


@pytest.fixture
def git() -> Run:
    """Runs git in a folder and returns what it printed."""

    def run(folder: Path, *arguments: str | Path, **options: Any) -> str:
        argv = [*GIT, "-C", str(folder), *map(str, arguments)]
        done = subprocess.run(argv, check=True, capture_output=True, timeout=30, **options)
        return done.stdout.decode().strip()

    return run


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Each database in turn, at the newest schema and empty."""
    database = engine.connect(database_url)
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    yield database
    await database.engine.dispose()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def sources(roots: Path, scratch: Path) -> GitSources:
    return GitSources(
        roots=Roots((roots,)),
        scratch=scratch,
        timeout_s=30,
        limits=Limits(files=10_000, size_bytes=100_000_000),
    )


@pytest.fixture
def archives(scratch: Path) -> ArchiveSources:
    return ArchiveSources(scratch=scratch, timeout_s=30, limits=Limits(files=100, size_bytes=1_000_000))


@pytest.fixture
def statically() -> Callable[[dict[str, str]], Awaitable[ProjectGraph]]:
    """Reads files in memory as the static tier does."""

    async def version() -> str:
        return "2"

    return lambda files: StaticReader(version).graph(Held(files))


Edges = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Found:
    """An analysis, and the graph that it rests on."""

    graph: ProjectGraph
    analysis: Analysis


@pytest.fixture(scope="session")
def found() -> Callable[..., Found]:
    """Analyses projects that need each other, of which some have changed; each build takes two seconds."""

    def make(
        edges: Edges,
        *changed: str,
        alone: Sequence[str] = (),
        tags: dict[str, str] | None = None,
        took: dict[str, int] | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> Found:
        names = sorted({name for edge in edges for name in edge}.union(alone))
        build = (Target("build", depends_on=("^build",)),)
        graph = ProjectGraph(
            projects=tuple(
                Project(name=n, root=f"libs/{n}", targets=build, tags=((tags or {}).get(n, "none"),))
                for n in names
            ),
            dependencies=tuple(Dependency(*edge) for edge in sorted(edges)),
        )
        comparison = replace(
            NOTHING, workspace="shop", changes=tuple(Change(f"libs/{name}/x.ts") for name in changed)
        )
        runs = [
            FormerRun(task=f"{name}:build", duration_ms=ms)
            for name, ms in (dict.fromkeys(names, 2000) if took is None else took).items()
        ]
        analysis = conclude(
            graph,
            comparison,
            id=UUID(int=1),
            tool_versions={},
            duration_ms=0,
            created_at=datetime(2026, 1, 2, tzinfo=UTC),
            runs=runs,
            constraints=constraints,
        )
        return Found(graph, analysis)

    return make


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def desk(database: Database, workshop: Workshop) -> BuildDesk:
    """Builds in the workshop."""
    return BuildDesk(database=database, sources=workshop, tool=workshop, instance="0", is_allowed=True)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def abacus() -> Abacus:
    return Abacus()


@pytest.fixture
def analyses(database: Database, shelf: Shelf, abacus: Abacus, archives: ArchiveSources) -> AnalysisDesk:
    return AnalysisDesk(
        database=database,
        sources=shelf,
        archives=archives,
        histories=Diary(),
        readers={Mode.STATIC: abacus},
        reading=asyncio.Semaphore(2),
        graphs_kept=2,
    )


@pytest.fixture
def builds(database: Database, shelf: Shelf, abacus: Abacus) -> BuildDesk:
    return BuildDesk(database=database, sources=shelf, tool=abacus, instance="0", is_allowed=True)


@pytest.fixture
async def queued(desk: BuildDesk, found: Callable[..., Found]) -> Build:
    analysis = found([("web", "money")]).analysis
    async with desk.database.write() as session:
        Analyses(session).add(analysis)
    return await desk.request(analysis.id, uuid4())


@pytest.fixture
def tool(nx: Path) -> NxTool:
    return NxTool(modules=MODULES, timeout_s=60, build_timeout_s=120, max_build_output_bytes=1 << 20)


@pytest.fixture
def make_app(tmp_path: Path, roots: Path, redis_url: str, issuer: Issuer) -> MakeApp:
    """Builds the service; its database is SQLite unless a test says otherwise."""

    def make(**settings: Any) -> FastAPI:
        defaults: dict[str, Any] = {
            "state_dir": tmp_path / "state",
            "redis_url": SecretStr(redis_url),
            "workspace_roots": (roots,),
            "nx_modules_dir": MODULES,
            "sandbox": "none",
        }
        return create_app(with_schema(Settings(**(defaults | settings))), keys=issuer.keys)

    return make


@pytest.fixture
def caller(issuer: Issuer) -> dict[str, str]:
    return issuer.headers(*SCOPES, audience="workspace-analyzer")


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app()


@pytest.fixture(scope="session")
def read_before() -> dict[str, Any]:
    """What Nx found for other tests, by the tree that it read: a second for each."""
    return {}


@pytest.fixture
def remembering(caller: dict[str, str], nx: Path, read_before: dict[str, Any]) -> Serve:
    """Runs a service, which remembers the trees of other tests."""

    @asynccontextmanager
    async def serve(app: FastAPI) -> AsyncGenerator[AsyncClient]:
        async with running(app, caller) as http:
            database: Database = app.state.platform.database
            known = [
                {"key": key, "hash": hash, "body": body, "created_at": datetime.now(UTC)}
                for key, (hash, body) in read_before.items()
            ]
            if known:
                async with database.write() as session:
                    await session.execute(insert(GraphRow), known)
            yield http
            async with database.read() as session:
                rows = await session.scalars(select(GraphRow))
                read_before.update({row.key: (row.hash, row.body) for row in rows})

    return serve


@pytest.fixture
async def http(app: FastAPI, remembering: Serve) -> AsyncIterator[AsyncClient]:
    async with remembering(app) as http:
        yield http


@pytest.fixture
def stored_app(make_app: MakeApp, database_url: str) -> FastAPI:
    """The service on each kind of database in turn."""
    return make_app(database_url=SecretStr(database_url))


@pytest.fixture
async def stored(stored_app: FastAPI, remembering: Serve) -> AsyncIterator[AsyncClient]:
    async with remembering(stored_app) as http:
        yield http


@pytest.fixture
def tiny(roots: Path, git: Run) -> Callable[..., Path]:
    """Makes a workspace of one-line builds, `main` with a first and `change` with a second commit to all."""

    def make(**builds: str) -> Path:
        folder = roots / "tiny"
        for name, command in builds.items():
            (folder / "libs" / name).mkdir(parents=True)
            project = {"name": name, "targets": {"build": {"command": command}}}
            (folder / "libs" / name / "project.json").write_text(json.dumps(project))
        (folder / "nx.json").write_text("{}")
        (folder / "package.json").write_text('{"name": "tiny"}')
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Begin")
        git(folder, "checkout", "-qb", "change")
        for name in builds:
            (folder / "libs" / name / "index.ts").write_text("export {};\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Change")
        return folder

    return make
