"""What the console is told at start."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The console's settings, from `MESH_…` environment variables."""

    model_config = SettingsConfigDict(env_prefix="MESH_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8376, ge=1, le=65535)
    public_url: str = Field(
        default="",
        description="Our origin in a browser; with https:// the session's cookie is for TLS alone.",
    )
    state_dir: Path = Field(description="Where the key is that signs the session's cookie. Created 0700.")
    registry_url: str = "http://127.0.0.1:8371"
    coordinator_url: str = "http://127.0.0.1:8372"
    deployer_url: str = "http://127.0.0.1:8373"
    gateway_url: str = "http://127.0.0.1:8374"
    analyzer_url: str = "http://127.0.0.1:8375"
    max_body_bytes: int = Field(default=1 << 18, ge=1024)
    max_streams: int = Field(default=16, ge=1, description="How many may watch live events at a time.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @property
    def urls(self) -> dict[str, str]:
        """Where each of the five is."""
        return {
            "registry": self.registry_url,
            "coordinator": self.coordinator_url,
            "deployer": self.deployer_url,
            "security-gateway": self.gateway_url,
            "workspace-analyzer": self.analyzer_url,
        }

    def prepare(self) -> Self:
        """Makes the state folder, readable by us alone."""
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self
