"""What a service process has in memory. Each promise is shown in a process of its own."""

import subprocess
import sys
from pathlib import Path


def run(program: str, *arguments: str) -> str:
    argv = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


LOADED_LATE = """
import asyncio
from mesh_shared import lean, serve
from mesh_shared.content.kubo import KuboStore
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

async def main():
    await KuboStore("127.0.0.1", 1).close()
    OTLPSpanExporter("http://127.0.0.1:1").shutdown()
    print("whole")

asyncio.run(main())
"""


def test_no_library_that_a_service_loads_late_misses_what_is_kept_out():
    assert run(LOADED_LATE) == "whole"


KEPT_OUT = """
import importlib
from mesh_shared import lean

for name in lean.UNUSED:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        print(name)
"""


def test_what_is_kept_out_cannot_be_imported():
    assert "rich" in run(KEPT_OUT).split()
    assert run(KEPT_OUT) == run("from mesh_shared import lean; print(*lean.UNUSED, sep=chr(10))")


BESIDE = """
import asyncio, sys
from mesh_shared.database import engine, migrate

async def start(url):
    database = engine.connect(url)
    await migrate.upgrade(database, [])
    await database.engine.dispose()

migrate.upgrade_beside(sys.argv[1], [])
asyncio.run(start(sys.argv[1]))
print("alembic" in sys.modules)
"""


def test_a_schema_is_made_by_a_process_that_ends_and_its_tools_with_it(tmp_path: Path):
    assert run(BESIDE, f"sqlite+aiosqlite:///{tmp_path}/made.db") == "False"


def test_an_unreachable_database_is_left_to_the_start_that_follows():
    program = "import sys; from mesh_shared.database import migrate; migrate.upgrade_beside(sys.argv[1], [])"

    assert run(program, "postgresql+asyncpg://nobody@127.0.0.1:1/none") == ""
