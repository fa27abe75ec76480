"""What this service is told at start."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from mesh_shared.settings import ServiceSettings
from pydantic import AfterValidator, Field

MIB = 1 << 20
LEAST_SECRET_BYTES = 16


def _usable_secret(path: Path | None) -> Path | None:
    """Refuses a secret that cannot be read, or is short enough to be guessed."""
    try:
        if path is not None and len(path.read_bytes().strip()) < LEAST_SECRET_BYTES:
            raise ValueError(f"the secret {path} must have {LEAST_SECRET_BYTES} bytes at least")
    except OSError:
        raise ValueError(f"the secret {path} cannot be read") from None
    return path


class Settings(ServiceSettings):
    """Settings from `MESH_…` environment variables."""

    service: ClassVar[str] = "workspace-analyzer"

    port: int = Field(default=8375, ge=1, le=65535)
    migrations_dir: Path = Path(__file__).parents[2] / "migrations"
    workspace_roots: tuple[Path, ...] = Field(
        default=(), description="Folders whose workspaces may be analysed; none means none."
    )
    git_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts whose repositories may be analysed, as `host` or `host:port`."
    )
    allow_private_git_hosts: bool = Field(
        default=False, description="These hosts may live on private addresses, such as this network's."
    )
    git_ca_file: Path | None = Field(default=None, description="Whom these hosts' certificates are from.")
    github_secret_file: Annotated[Path | None, AfterValidator(_usable_secret)] = Field(
        default=None, description="What GitHub signs its deliveries with; without one none are taken."
    )
    github_workspaces: dict[str, str] = Field(
        default={}, description="Whose pushes are analysed: workspaces by `owner/name`."
    )
    nx_modules_dir: Path = Field(
        default=Path(__file__).parents[4] / "node_modules",
        description="The node_modules with the nx and typescript that read workspaces.",
    )
    allow_builds: bool = Field(default=False, description="Builds run the workspaces' own code.")
    allow_plugins: bool = Field(
        default=False, description="Workspaces' plugins may run, in the sandbox, for `nx-full`."
    )
    sandbox: Literal["bubblewrap", "none"] = Field(
        default="bubblewrap",
        description="What builds and plugins run in; `none`: builds with our rights, and no plugins.",
    )
    analysis_timeout_s: float = Field(default=60, gt=0, le=3600)
    parallel_analyses: int = Field(default=2, ge=1, le=64, description="Copies that are read at once.")
    max_workspace_files: int = Field(default=100_000, ge=1)
    max_workspace_bytes: int = Field(default=512 * MIB, ge=1)
    max_archive_bytes: int = Field(default=64 * MIB, ge=1, description="Of an archive as it comes, packed.")
    graphs_kept: int = Field(default=200, ge=1, description="Trees that need not be read again.")
    analyses_kept: int = Field(default=10_000, ge=1)
    builds_kept: int = Field(default=1000, ge=1)
    jobs_kept: int = Field(default=1000, ge=1)
    build_timeout_s: float = Field(default=900, gt=0, le=86_400)
    max_build_output_bytes: int = Field(default=16 * MIB, ge=1)
