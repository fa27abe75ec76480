"""Workspaces in repositories of other machines: the real git on both ends, over TLS, and its limits."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from mesh_shared.errors import Unavailable
from mesh_shared.testing import running
from mesh_workspace_analyzer.adapters.remotes import RemoteSources
from mesh_workspace_analyzer.adapters.sources import Limits
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Comparison
from mesh_workspace_analyzer.errors import (
    AddressNotPublic,
    AnalysisTimedOut,
    HistoryTooLarge,
    HostNotAllowed,
    RevisionNotFound,
    WorkspaceNotFound,
    WorkspaceUnreadable,
)
from mesh_workspace_analyzer.schemas.requests import AnalysisRequest
from pydantic import ValidationError

Run = Callable[..., str]
CHANGED = (Change("libs/pricing/src/discount.ts"), Change("libs/pricing/test/pricing.test.mjs"))


@dataclass
class GitHost:
    """The real git's own server, behind TLS of a certificate of its own."""

    folder: Path
    port: int = 0
    seen: list[str] = field(default_factory=list[str])
    patience: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        return f"localhost:{self.port}"

    def url(self, repository: str = "storefront") -> str:
        return f"https://{self.name}/{repository}"

    def answer(self, path: str, query: str, method: str, headers: dict[str, str], body: bytes) -> bytes:
        """What `git http-backend` answers (git-http-backend(1))."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": method,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
        }
        argv = ["git", "http-backend"]
        return subprocess.run(argv, env=environment, input=body, capture_output=True, check=False).stdout


def handler(host: GitHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            host.seen.append(path)
            if path.startswith("/moved"):
                self.told(b"Status: 302 Found\r\nLocation: " + host.url().encode() + b"\r\n\r\n")
            elif path.startswith("/private"):
                self.told(b'Status: 401 No\r\nWWW-Authenticate: Basic realm="git"\r\n\r\n')
            elif path.startswith("/slow"):
                host.patience.wait(20)
                self.told(b"Status: 503 Slow\r\n\r\n")
            else:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.told(host.answer(path, query, self.command, headers, body))

        do_POST = do_GET

        def told(self, answer: bytes) -> None:
            head, _, body = answer.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def host(tmp_path: Path, certificate: Path) -> Iterator[GitHost]:
    host = GitHost(tmp_path / "served")
    host.folder.mkdir()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(host))
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # whoever does not trust us hangs up
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    host.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield host
    host.patience.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def served(host: GitHost, storefront_template: Path, git: Run) -> Path:
    """The example workspace at that host; its HEAD is the branch with the change."""
    folder = host.folder / "storefront"
    git(host.folder, "clone", "-q", "--bare", storefront_template, folder)
    return folder


@pytest.fixture
def remotes(host: GitHost, certificate: Path, scratch: Path) -> RemoteSources:
    return RemoteSources(
        hosts=frozenset({host.name}),
        allow_private=True,
        ca_file=certificate,
        scratch=scratch,
        timeout_s=30,
        limits=Limits(files=10_000, size_bytes=100_000_000),
    )


async def compared(
    remotes: RemoteSources, workspace: str, base: str = "main", head: str = "HEAD"
) -> Comparison:
    async with remotes.open(workspace, base=base, head=head) as source:
        return source.comparison


async def test_a_repository_elsewhere_is_compared_as_one_here(
    remotes: RemoteSources, host: GitHost, served: Path, git: Run, scratch: Path
):
    async with remotes.open(host.url(), base="main", head="HEAD") as source:
        names = await source.names()
        texts = await source.texts(["nx.json"])

    comparison = source.comparison
    assert comparison.changes == CHANGED
    assert comparison.workspace == host.url()
    assert (comparison.base.sha, comparison.head.sha) == (
        git(served, "rev-parse", "main"),
        git(served, "rev-parse", "HEAD"),
    )
    assert "libs/pricing/src/discount.ts" in names
    assert texts["nx.json"].startswith("{")
    assert list(scratch.iterdir()) == []


async def test_a_commit_is_named_by_branch_tag_place_or_sha(
    remotes: RemoteSources, host: GitHost, served: Path, git: Run
):
    git(served, "tag", "-a", "-m", "One", "heavy", "change")
    sha = git(served, "rev-parse", "change")

    for head in ("heavy", "heads/change", sha):
        assert (await compared(remotes, host.url(), head=head)).head.sha == sha, head


async def test_a_base_that_is_not_there_is_said_and_nothing_is_assumed(
    remotes: RemoteSources, host: GitHost, served: Path
):
    comparison = await compared(remotes, host.url(), base="--upload-pack=touch x")

    assert (comparison.changes, comparison.base.sha) == (None, None)
    assert "git finds no commit for the base" in comparison.warnings[0]


@pytest.mark.parametrize("head", ["2" * 40, "--upload-pack=touch x"])
async def test_a_head_that_is_not_there_is_not_found(
    remotes: RemoteSources, host: GitHost, served: Path, head: str
):
    with pytest.raises(RevisionNotFound):
        await compared(remotes, host.url(), head=head)


async def test_a_workspace_may_be_a_folder_of_the_repository(
    remotes: RemoteSources, host: GitHost, served: Path
):
    comparison = await compared(remotes, f"{host.url()}#libs/pricing")

    assert comparison.changes == (Change("src/discount.ts"), Change("test/pricing.test.mjs"))


async def test_a_folder_that_is_not_there_is_not_found(remotes: RemoteSources, host: GitHost, served: Path):
    with pytest.raises(WorkspaceNotFound):
        await compared(remotes, f"{host.url()}#libs/nope")


@pytest.mark.parametrize("named", [frozenset[str](), frozenset({"localhost"}), frozenset({"other.example"})])
async def test_a_host_that_nobody_has_named_is_not_dialled(
    remotes: RemoteSources, host: GitHost, served: Path, named: frozenset[str]
):
    with pytest.raises(HostNotAllowed):
        await compared(replace(remotes, hosts=named), host.url())

    assert host.seen == []


async def test_a_host_inside_of_our_network_is_not_dialled(
    remotes: RemoteSources, host: GitHost, served: Path
):
    with pytest.raises(AddressNotPublic):
        await compared(replace(remotes, allow_private=False), host.url())

    assert host.seen == []


async def test_a_host_that_nobody_knows_is_told_as_down(remotes: RemoteSources):
    elsewhere = replace(remotes, hosts=frozenset({"nowhere.invalid"}))

    with pytest.raises(Unavailable):
        await compared(elsewhere, "https://nowhere.invalid/a/b")


async def test_a_redirect_is_not_followed(remotes: RemoteSources, host: GitHost, served: Path):
    with pytest.raises(WorkspaceUnreadable):
        await compared(remotes, host.url("moved"))

    assert host.seen == ["/moved/info/refs"]


async def test_nobody_is_asked_for_a_password(remotes: RemoteSources, host: GitHost, served: Path):
    with pytest.raises(WorkspaceUnreadable, match="terminal prompts disabled"):
        await compared(remotes, host.url("private"))


async def test_a_repository_that_is_not_there_is_a_problem(remotes: RemoteSources, host: GitHost):
    with pytest.raises(WorkspaceUnreadable, match="git cannot read it"):
        await compared(remotes, host.url("nothing"))


async def test_a_certificate_of_a_stranger_is_not_trusted(
    remotes: RemoteSources, host: GitHost, served: Path
):
    with pytest.raises(WorkspaceUnreadable, match="certificate"):
        await compared(replace(remotes, ca_file=None), host.url())

    assert host.seen == []


async def test_a_history_beyond_the_limit_is_given_up(
    remotes: RemoteSources, host: GitHost, served: Path, scratch: Path
):
    small = replace(remotes, limits=Limits(files=10_000, size_bytes=1024))

    with pytest.raises(HistoryTooLarge, match="more than 1024 bytes"):
        await compared(small, host.url())

    assert list(scratch.iterdir()) == []


async def test_a_host_that_does_not_answer_costs_its_time_and_no_more(
    remotes: RemoteSources, host: GitHost, scratch: Path
):
    with pytest.raises(AnalysisTimedOut):
        await compared(replace(remotes, timeout_s=0.3), host.url("slow"))

    assert list(scratch.iterdir()) == []


async def test_objects_that_git_would_never_write_are_refused(
    remotes: RemoteSources, host: GitHost, served: Path, git: Run
):
    blob = git(served, "hash-object", "-w", "--stdin", input=b"[core]\n\tfsmonitor = touch x\n")
    inner = git(served, "mktree", input=f"100644 blob {blob}\tconfig\n".encode())
    outer = git(served, "mktree", input=f"040000 tree {inner}\t.git\n".encode())
    commit = git(served, "commit-tree", outer, "-m", "Evil")
    git(served, "update-ref", "refs/heads/evil", commit)

    with pytest.raises(WorkspaceUnreadable):
        await compared(remotes, host.url(), head="evil")


async def test_a_repository_elsewhere_is_analysed_over_http_and_repeated_from_what_is_known(
    make_app: Callable[..., FastAPI], caller: dict[str, str], host: GitHost, served: Path, certificate: Path
):
    app = make_app(git_hosts=(host.name,), allow_private_git_hosts=True, git_ca_file=certificate)
    async with running(app, caller) as http:
        made = (await http.post("/v1/analyses", json={"workspace": host.url()})).json()
        again = (await http.post("/v1/analyses", json={"workspace": host.url()})).json()
        trend = (await http.get("/v1/trends", params={"workspace": host.url()})).json()

    assert made["text"] == "Workspace analysis complete. Found 10 projects, 6 affected by recent changes."
    assert (made["workspaceRoot"], made["affectedStatus"]) == (host.url(), "exact")
    assert again["graphHash"] == made["graphHash"]
    assert len(trend["items"]) == 2


async def test_by_default_no_host_is_named(app: FastAPI, caller: dict[str, str]):
    async with running(app, caller) as http:
        answer = await http.post("/v1/analyses", json={"workspace": "https://github.com/nrwl/nx"})

    assert (answer.status_code, answer.json()["code"]) == (409, "host-not-allowed")
    assert answer.json()["host"] == "github.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/a/b",
        "ssh://git@github.com/a/b",
        "file:///etc",
        "https://user:secret@github.com/a/b",
        "https://github.com/a/b?x=1",
        "https://github.com/../b",
        "https://github.com/-/../b",
        "https://github.com/a/b#../c",
        "https://github.com/a/b#.git",
        "https://github.com",
        "https://github.com/a\nb",
        "https://[::1]/a/b",
        "https://github.com:0/a/b",
    ],
)
def test_what_is_no_plain_https_url_of_a_repository_is_refused(url: str):
    with pytest.raises(ValidationError):
        AnalysisRequest(workspace=url)


@pytest.mark.parametrize("url", ["https://github.com/nrwl/nx.git", "https://git.example:8443/a/b/c#libs/ui"])
def test_what_is_one_is_taken(url: str):
    assert AnalysisRequest(workspace=url).workspace == url
