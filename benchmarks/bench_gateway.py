"""The gateway's data path against a bare pass-through and nginx: same origin, same run, one core each.

python benchmarks/bench_gateway.py [seconds]

The gateway does all that it does for everybody: session, Cedar, durable audit, injection, redaction. "Bare"
is raw ASGI under uvicorn with aiohttp's client behind it and nothing between; nginx is `proxy_pass` with a
static header. Servers run on one core, origin and caller on the other. CPU is the server's own time a
request: it says the same on a busy machine. Each figure is the best of the rounds, which take turns.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
from http_load import LARGE, SMALL, Load, load
from mesh_cli import parts, processes
from mesh_cli.processes import Process

ROUNDS = 3
AT_ONCE = (1, 16, 64)
SERVER_CORE, REST_CORE = "0", "1"
SELF = Path(__file__).parent / "http_load.py"
SECRET = "sk-0123456789abcdef"  # noqa: S105 - of the benchmark's own origin
RATIO, ADDED_P50_MS, NO_COLLAPSE, LARGE_RATIO, ADDED_MIB = 0.35, 3.0, 0.85, 0.7, 20
TICKS = os.sysconf("SC_CLK_TCK")
NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 100000000; client_max_body_size 20m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port} reuseport;
    location / {{
      proxy_buffering off; proxy_request_buffering off;
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer {secret}";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Stack:
    """A server under test: what stands before each path, and what a caller shows."""

    name: str
    process: Process
    port: int
    prefix: str = ""
    token: str = ""

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        fields = f"host: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.token}\r\n"
        length = f"content-length: {len(body)}\r\n" if body else ""
        return f"{method} {self.prefix}{path} HTTP/1.1\r\n{fields}{length}\r\n".encode() + body

    def pids(self) -> list[int]:
        """The process and its children."""
        children = Path(f"/proc/{self.process.popen.pid}/task/{self.process.popen.pid}/children").read_text()
        return [self.process.popen.pid, *map(int, children.split())]

    def cpu_s(self) -> float:
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in self.pids()]
        return sum(int(user) + int(system) for *_, user, system in (each[:13] for each in fields)) / TICKS

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.popen.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@dataclass(frozen=True)
class Figure:
    load: Load
    cpu_us: float

    def line(self) -> str:
        return (
            f"{self.load.per_s:8.0f}/s  p50 {self.load.p50_s * 1e3:7.2f}  p99 {self.load.p99_s * 1e3:7.2f} ms"
            f"  CPU {self.cpu_us:6.0f} µs"
        )


def measure(
    stack: Stack, request: bytes, connections: int, seconds: float, most_per_s: float | None = None
) -> Figure:
    before = stack.cpu_s()
    found = load(stack.port, request, connections, seconds, most_per_s)
    return Figure(found, (stack.cpu_s() - before) / (found.per_s * seconds) * 1e6)


def best(figures: list[Figure]) -> Figure:
    return max(figures, key=lambda figure: figure.load.per_s)


def pinned(core: str, *argv: object) -> list[str]:
    return ["taskset", "-c", core, *map(str, argv)]


@contextmanager
def started(
    name: str, argv: list[str], folder: Path, env: dict[str, str] | None = None
) -> Generator[Process]:
    process = processes.start(name, argv, folder / f"{name}.log", env)
    try:
        yield process
    finally:
        process.stop()


def answers(process: Process, url: str) -> None:
    process.wait_until(lambda: processes.status_of(url) == HTTPStatus.OK, 30)


def open_gateway(stack: ExitStack, folder: Path, origin_port: int) -> Stack:
    """A gateway with one provider, connection, grant and agent."""
    redis, port = parts.free_port(), parts.free_port()
    stack.callback(parts.redis(redis, folder).stop)
    env = {
        "PATH": os.environ["PATH"],
        "MESH_PORT": str(port),
        "MESH_STATE_DIR": str(folder / "state"),
        "MESH_REDIS_URL": f"redis://127.0.0.1:{redis}",
    }
    argv = pinned(SERVER_CORE, sys.executable, "-m", "mesh_security_gateway")
    process = stack.enter_context(started("gateway", argv, folder, env))
    answers(process, f"http://127.0.0.1:{port}/readyz")
    token = set_up(f"http://127.0.0.1:{port}", folder, f"http://127.0.0.1:{origin_port}")
    return Stack("gateway", process, port, "/v1/proxy/origin", token)


def set_up(url: str, folder: Path, origin: str) -> str:
    """The agent's session."""
    with httpx.Client(base_url=url, timeout=30) as http:

        def made(path: str, body: Mapping[str, object], **headers: str) -> dict[str, str]:
            return http.post(path, json=body, headers=headers).raise_for_status().json()

        def session(key: str) -> str:
            return made("/v1/sessions", {}, **{"X-API-Key": key})["token"]

        admin = f"Bearer {session((folder / 'state' / 'admin.key').read_text().strip())}"
        injector = {"kind": "bearer"}
        provider = {"name": "origin", "origin": origin, "injector": injector, "allow_private": True}
        grant = {"subject": "agent", "connection": "origin", "methods": ["GET", "POST"], "paths": ["/**"]}
        made("/v1/providers", provider, Authorization=admin)
        connection = {"name": "origin", "provider": "origin", "secret": SECRET}
        made("/v1/connections", connection, Authorization=admin)
        made("/v1/grants", grant, Authorization=admin)
        key = made("/v1/api-keys", {"subject": "agent", "scopes": ["gateway:proxy"]}, Authorization=admin)
        return session(key["key"])


def open_bare(stack: ExitStack, folder: Path, origin_port: int) -> Stack:
    port = parts.free_port()
    argv = pinned(SERVER_CORE, sys.executable, SELF, "bare", port, origin_port)
    process = stack.enter_context(started("bare", argv, folder))
    answers(process, f"http://127.0.0.1:{port}/")
    return Stack("bare", process, port)


def open_nginx(stack: ExitStack, folder: Path, origin_port: int) -> Stack | None:
    """None when it is not installed."""
    if (nginx := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")) is None:
        print("nginx is not installed (apt-get install nginx): its lines are missing")
        return None
    port = parts.free_port()
    text = NGINX.format(folder=folder, origin=origin_port, port=port, secret=SECRET)
    (folder / "nginx.conf").write_text(text)
    argv = pinned(SERVER_CORE, nginx, "-p", folder, "-c", folder / "nginx.conf")
    process = stack.enter_context(started("nginx", argv, folder))
    answers(process, f"http://127.0.0.1:{port}/")
    return Stack("nginx", process, port)


def small(stacks: list[Stack], seconds: float) -> dict[tuple[str, int], Figure]:
    found: dict[tuple[str, int], list[Figure]] = {}
    for _ in range(ROUNDS):
        for stack in stacks:
            for connections in AT_ONCE:
                figure = measure(stack, stack.request("GET", "/small"), connections, seconds)
                found.setdefault((stack.name, connections), []).append(figure)
    chosen = {key: best(figures) for key, figures in found.items()}
    for (name, connections), figure in chosen.items():
        print(f"{name:8} {connections:3} connections  {figure.line()}")
    return chosen


def unhurried(stacks: list[Stack], per_s: float, seconds: float) -> None:
    """What is added to an answer while nobody queues: a full server's time is its connections by its rate."""
    found: dict[str, list[Figure]] = {}
    for _ in range(ROUNDS):
        for stack in stacks:
            figure = measure(stack, stack.request("GET", "/small"), 16, seconds, per_s)
            found.setdefault(stack.name, []).append(figure)
    p50_s = {name: min(figure.load.p50_s for figure in figures) for name, figures in found.items()}
    for name, figures in found.items():
        print(f"{name:8}  16 at {per_s:4.0f}/s      {min(figures, key=lambda f: f.load.p50_s).line()}")
    added_ms = (p50_s["gateway"] - p50_s["bare"]) * 1e3
    verdict(f"added p50 in ms, 16 at {per_s:.0f}/s", added_ms, at_most=ADDED_P50_MS)


def large(stacks: list[Stack], seconds: float) -> None:
    for what, method, path, body in (("down", "GET", "/large", b""), ("up", "POST", "/small", bytes(LARGE))):
        peaks = {stack.name: stack.peak_mib() for stack in stacks}
        found: dict[str, list[Figure]] = {}
        for _ in range(ROUNDS):
            for stack in stacks:
                figure = measure(stack, stack.request(method, path, body), 1, seconds)
                found.setdefault(stack.name, []).append(figure)
        chosen = {name: best(figures) for name, figures in found.items()}
        cpu_us = {name: min(figure.cpu_us for figure in figures) for name, figures in found.items()}
        for stack in stacks:
            rate = chosen[stack.name].load.per_s * LARGE / 1e6
            added = stack.peak_mib() - peaks[stack.name]
            print(
                f"{stack.name:8} 10 MB {what:4}      {rate:8.0f} MB/s, {added:4.1f} MiB more"
                f"  CPU {cpu_us[stack.name]:6.0f} µs"
            )
        verdict(
            f"10 MB {what} / bare",
            chosen["gateway"].load.per_s / chosen["bare"].load.per_s,
            at_least=LARGE_RATIO,
        )
        verdict(f"10 MB {what}: CPU of bare / CPU", cpu_us["bare"] / cpu_us["gateway"], at_least=LARGE_RATIO)
        verdict(f"10 MB {what}: MiB more", stacks[0].peak_mib() - peaks["gateway"], at_most=ADDED_MIB)


def verdict(what: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
    bound = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}"
    is_kept = value >= at_least if at_least is not None else value <= (at_most or 0)
    print(f"  {what:34} {value:6.2f}  {bound:8} {'' if is_kept else 'MISSED'}")


def main(seconds: float) -> None:
    os.sched_setaffinity(0, {int(REST_CORE)})
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), parts.free_port()
        origin = stack.enter_context(
            started("origin", pinned(REST_CORE, sys.executable, SELF, "origin", port), folder)
        )
        answers(origin, f"http://127.0.0.1:{port}/")
        opened = [make(stack, folder, port) for make in (open_gateway, open_bare, open_nginx)]
        stacks = [each for each in opened if each is not None]
        print(f"1 answer: {len(SMALL)} bytes; {ROUNDS} rounds of {seconds:g} s")
        found = small(stacks, seconds)
        for connections in AT_ONCE:
            gateway, bare = found["gateway", connections], found["bare", connections]
            what = f"requests/s / bare, {connections} connections"
            verdict(what, gateway.load.per_s / bare.load.per_s, at_least=RATIO)
            verdict(
                f"CPU of bare / CPU, {connections} connections", bare.cpu_us / gateway.cpu_us, at_least=RATIO
            )
        added = found["gateway", 16].load.p50_s - found["bare", 16].load.p50_s
        verdict("added p50 in ms at 16, all full", added * 1e3, at_most=ADDED_P50_MS)
        unhurried(stacks, found["gateway", 16].load.per_s / 4, seconds)
        collapse = found["gateway", 64].load.per_s / found["gateway", 16].load.per_s
        verdict("64 connections / 16", collapse, at_least=NO_COLLAPSE)
        large(stacks, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
