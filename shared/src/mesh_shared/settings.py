"""What every service is told at start. Read once, passed down, never read again."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DATABASES = ("sqlite+aiosqlite", "postgresql+asyncpg")
QUEUES = ("redis://", "rediss://", "unix://")


class ServiceSettings(BaseSettings):
    """Settings from `MESH_…` environment variables; each process has an environment of its own."""

    model_config = SettingsConfigDict(env_prefix="MESH_", frozen=True, extra="ignore")
    service: ClassVar[str]
    extra_migrations: ClassVar[tuple[Path, ...]] = ()
    """Migrations of shared tables that not every service has; they come before `migrations_dir`."""

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    public_url: str = Field(default="", description="Where others reach us; default http://host:port.")
    state_dir: Path = Field(description="Our own folder: database, keys. Created 0700.")
    database_url: SecretStr = Field(default=SecretStr(""), description="Default: SQLite in `state_dir`.")
    database_password_file: Path | None = Field(default=None, description="Its content joins `database_url`.")
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    gateway_url: str = "http://127.0.0.1:8374"
    registry_url: str | None = Field(default=None, description="Where to list ourselves; default nowhere.")
    key_file: Path = Field(
        default=Path(), description="API key for our calls; default `state_dir`/service.key."
    )
    instance: str = Field(default="0", description="Stable name among replicas.")
    migrations_dir: Path = Path()
    events_kept: int = Field(default=100_000, ge=1_000)
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP over HTTP, e.g. http://host:4318/v1/traces."
    )

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: dict[str, object]) -> dict[str, object]:
        state_dir = Path(str(given.get("state_dir", ".")))
        derived = {
            "public_url": f"http://{given.get('host', '127.0.0.1')}:{given.get('port', '')}",
            "database_url": f"sqlite+aiosqlite:///{state_dir}/{cls.service}.db",
            "key_file": state_dir / "service.key",
        }
        return derived | given

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, url: SecretStr) -> SecretStr:
        try:
            driver = make_url(url.get_secret_value()).drivername
        except (ArgumentError, ValueError):
            driver = ""
        if driver not in DATABASES:
            raise ValueError(f"must be the address of a database: {' or '.join(DATABASES)}")
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(QUEUES):
            raise ValueError(f"must begin with {' or '.join(QUEUES)}")
        return url

    def database_address(self) -> str:
        """`database_url` with the password, when that is kept in a file."""
        url = make_url(self.database_url.get_secret_value())
        if self.database_password_file is not None:
            url = url.set(password=self.database_password_file.read_text().strip())
        return url.render_as_string(hide_password=False)

    @property
    def migrations(self) -> list[Path]:
        """The folders that make our schema, in the order in which they are applied."""
        return [*self.extra_migrations, self.migrations_dir]

    def prepare(self) -> Self:
        """Makes the state folder, readable by us alone."""
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self
