"""A workspace of 1,000 projects that need each other 10,000 times: read from its files, and read by Nx.

python benchmarks/bench_workspace.py [projects]

The analyzer's use case with its own database against the commands that answer the same: `nx graph` and
`nx show projects --affected`, without a daemon and without a cache. Then the same tree again. The repository
is packed, as a clone is; with each object in a file of its own git takes 0.2 s more.
"""

import asyncio
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from uuid import uuid4

from mesh_shared.database import engine, migrate
from mesh_shared.serve import YOUNG
from mesh_workspace_analyzer.adapters.archives import ArchiveSources
from mesh_workspace_analyzer.adapters.eslint import WithBoundaries
from mesh_workspace_analyzer.adapters.folders import Roots
from mesh_workspace_analyzer.adapters.histories import FolderHistories
from mesh_workspace_analyzer.adapters.nx import QUIET, version
from mesh_workspace_analyzer.adapters.sources import GitSources, Limits
from mesh_workspace_analyzer.adapters.static.reader import StaticReader
from mesh_workspace_analyzer.domain.analysis import Mode
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.settings import Settings

NEEDS = 10
ROUNDS = 5
REPEATS = 10
TIMES_FASTER, AGAIN_MS = 5, 100
MODULES = Path(__file__).parents[1] / "node_modules"
GIT = ("git", "-c", "user.name=B", "-c", "user.email=b@example.org", "-c", "init.defaultBranch=main")


def make(folder: Path, count: int) -> None:
    """Libraries that import ten others each, and a commit that changes one of them."""
    dice = random.Random(371)  # noqa: S311 - a die, no secret
    aliases = {f"@shop/p{n}": [f"libs/p{n}/src/index.ts"] for n in range(count)}
    write(folder / "tsconfig.base.json", json.dumps({"compilerOptions": {"paths": aliases}}))
    write(folder / "package.json", json.dumps({"name": "shop", "devDependencies": {"@nx/js": "1"}}))
    write(folder / "nx.json", json.dumps({"targetDefaults": {"build": {"dependsOn": ["^build"]}}}))
    write(folder / ".gitignore", "node_modules\n.nx\n")
    for n in range(count):
        root = folder / f"libs/p{n}"
        needed = dice.sample(range(n), min(n, NEEDS)) if n else []
        write(root / "project.json", json.dumps({"name": f"p{n}", "targets": {"build": {"command": "tsc"}}}))
        imports = "".join(f"import {{ f{other} }} from '@shop/p{other}';\n" for other in needed)
        write(root / "src/index.ts", f"{imports}export const f{n} = () => [{n}];\n")
    commit(folder, "init", "-q")
    commit(folder, "add", "-A")
    commit(folder, "commit", "-qm", "Begin")
    commit(folder, "checkout", "-qb", "change")
    write(folder / f"libs/p{count // 2}/src/index.ts", f"export const f{count // 2} = 1;\n")
    commit(folder, "commit", "-qam", "Change")
    commit(folder, "repack", "-adq")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def commit(folder: Path, *arguments: str) -> None:
    argv = [*GIT, "-C", str(folder), *arguments]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)  # noqa: S603 - our own


def by_nx(folder: Path) -> tuple[float, int]:
    """Seconds that Nx takes for both, and how many projects it finds affected."""
    argv = ["/usr/bin/env", "node", folder / "node_modules/nx/dist/bin/nx.js"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "NX_CACHE_PROJECT_GRAPH": "false"}
    run = partial(
        subprocess.run, cwd=folder, env=environment | QUIET, check=True, capture_output=True, timeout=300
    )
    started = time.perf_counter()
    run([*argv, "graph", f"--file={folder.parent / 'graph.json'}"])
    told = run([*argv, "show", "projects", "--affected", "--base=main", "--head=change", "--json"]).stdout
    return time.perf_counter() - started, len(json.loads(told.splitlines()[-1]))


async def desk(home: Path) -> AnalysisDesk:
    """The use case with a database of its own, that knows no tree."""
    database = engine.connect(f"sqlite+aiosqlite:///{home / f'{uuid4()}.db'}")
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    limits = Limits(files=1_000_000, size_bytes=1 << 30)
    return AnalysisDesk(
        database=database,
        sources=GitSources(roots=Roots((home,)), scratch=home, timeout_s=300, limits=limits),
        archives=ArchiveSources(scratch=home, timeout_s=300, limits=limits),
        readers={Mode.STATIC: WithBoundaries(StaticReader(partial(version, "git")))},
        histories=FolderHistories(Roots((home,))),
        reading=asyncio.Semaphore(2),
        graphs_kept=10,
    )


async def by_files(home: Path) -> tuple[float, float, int]:
    """Seconds for the first analysis, milliseconds for one of the same tree, and the affected projects."""
    analyses = await desk(home)
    asked = Asked(workspace="shop", base="main", head="change")
    started = time.perf_counter()
    analysis = await analyses.analyze(asked, uuid4())
    first_s = time.perf_counter() - started
    again: list[float] = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        await analyses.analyze(asked, uuid4())
        again.append(1000 * (time.perf_counter() - started))
    await analyses.database.engine.dispose()
    return first_s, median(again), len(analysis.affected)


def collect_as_services_do() -> None:
    """The collector looks as seldom as in a service; see `mesh_shared.serve`."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def main() -> int:
    collect_as_services_do()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    home = Path(tempfile.mkdtemp())
    try:
        make(home / "shop", count)
        (home / "shop/node_modules").mkdir()
        for name in ("nx", "typescript"):
            (home / "shop/node_modules" / name).symlink_to((MODULES / name).resolve())
        rounds = [(asyncio.run(by_files(home)), by_nx(home / "shop")) for _ in range(ROUNDS)]
    finally:
        shutil.rmtree(home)
    files, nx = [ours for ours, _ in rounds], [theirs for _, theirs in rounds]
    ours_s, again_ms, theirs_s = min(f[0] for f in files), min(f[1] for f in files), min(n[0] for n in nx)
    print(f"{count} projects, {count * NEEDS} dependencies, best of {ROUNDS}")
    print(f"nx graph + nx show projects --affected  {theirs_s:6.2f} s   {nx[0][1]} affected")
    print(f"static analysis                         {ours_s:6.2f} s   {files[0][2]} affected")
    print(f"the same tree again                     {again_ms / 1000:6.2f} s")
    print(f"{theirs_s / ours_s:.1f} times faster than Nx (wanted: {TIMES_FASTER})")
    is_fast = theirs_s >= TIMES_FASTER * ours_s and again_ms < AGAIN_MS
    return 0 if is_fast and nx[0][1] == files[0][2] else 1


if __name__ == "__main__":
    sys.exit(main())
