"""Memory and cold start of the embedded mesh, against 600 MiB and a bare FastAPI app in the same run.

python benchmarks/bench_footprint.py
"""

import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path

from mesh_cli import parts, processes
from mesh_cli.embedded import PACKAGES, Ports, embedded

BUDGET_MIB = 600
BARE = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
app.get("/livez")(lambda: {"status": "alive"})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


def rss_mib(pid: int) -> float:
    """Resident memory of the process and its children now."""
    listed = subprocess.run(["/bin/ps", "-eo", "pgid=,rss="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    return sum(int(kib) for group, kib in rows if int(group) == pid) / 1024


def cold_start_s(process: processes.Process, url: str) -> float:
    started = time.perf_counter()
    process.wait_until(lambda: processes.status_of(f"{url}/livez") == HTTPStatus.OK, 60)
    return time.perf_counter() - started


def bare(folder: Path) -> tuple[float, float]:
    """Cold start in seconds and memory in MiB of the smallest FastAPI app there is."""
    port = parts.free_port()
    process = processes.start("bare", [sys.executable, "-c", BARE, str(port)], folder / "bare.log")
    start_s = cold_start_s(process, f"http://127.0.0.1:{port}")
    memory = rss_mib(process.popen.pid)
    process.stop()
    return start_s, memory


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare_start_s, bare_mib = bare(Path(folder))
        print(f"{'bare FastAPI':20} {bare_mib:6.0f} MiB             cold start {bare_start_s:5.2f} s")
        total = 0.0
        with embedded(Path(folder), Ports(parts.free_port())) as mesh:
            for name in PACKAGES:
                mesh.stop(name)
                mesh.start_service(name)
                start_s = cold_start_s(mesh.running[name], mesh.url(name))
                mesh.wait_ready(name)
                memory = rss_mib(mesh.running[name].popen.pid)
                total += memory
                size, start = f"{memory:6.0f} MiB ({memory / bare_mib:4.2f} x bare)", start_s / bare_start_s
                print(f"{name:20} {size}  cold start {start_s:5.2f} s ({start:4.2f} x bare)")
        print(f"{'five services':20} {total:6.0f} MiB, {total / BUDGET_MIB:4.2f} of {BUDGET_MIB} MiB")


if __name__ == "__main__":
    main()
