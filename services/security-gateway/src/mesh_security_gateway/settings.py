"""What the gateway is told at start."""

from pathlib import Path
from typing import Annotated, ClassVar, Self

from mesh_shared.chain import versions_dir
from mesh_shared.settings import ServiceSettings
from pydantic import AfterValidator, Field, SecretStr, model_validator

KEK_BYTES = 32
LEAST_PASSPHRASE = 20


def _usable_kek(path: Path) -> Path:
    """Refuses a key-encryption key that is there and cannot be used: without it no secret opens."""
    try:
        size = len(path.read_bytes())
    except FileNotFoundError:
        return path
    except OSError:
        raise ValueError(f"the key-encryption key {path} cannot be read") from None
    if size != KEK_BYTES:
        raise ValueError(f"the key-encryption key {path} must have {KEK_BYTES} bytes and has {size}")
    return path


def _usable_other(path: Path | None) -> Path | None:
    """Refuses one that is named and not there, too."""
    if path is not None and not _usable_kek(path).exists():
        raise ValueError(f"the key-encryption key {path} is not there")
    return path


def _usable_passphrase(path: Path | None) -> Path | None:
    """Refuses a passphrase that cannot be read, or is short enough to be guessed."""
    if path is None:
        return None
    try:
        passphrase = path.read_text()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"the passphrase {path} cannot be read") from None
    if len(passphrase.strip()) < LEAST_PASSPHRASE:
        raise ValueError(f"the passphrase {path} must have {LEAST_PASSPHRASE} characters at least")
    return path


class Settings(ServiceSettings):
    """Settings from `MESH_…` environment variables."""

    service: ClassVar[str] = "security-gateway"
    extra_migrations: ClassVar[tuple[Path, ...]] = (versions_dir,)

    port: int = Field(default=8374, ge=1, le=65535)
    migrations_dir: Path = Path(__file__).parents[2] / "migrations"
    kek_file: Annotated[Path, AfterValidator(_usable_kek)] = Field(
        default=Path(), description="32 bytes that wrap the keys of all secrets; default `state_dir`/kek."
    )
    kek_also_file: Annotated[Path | None, AfterValidator(_usable_other)] = Field(
        default=None,
        description="A key-encryption key that also opens secrets: the last one, whose secrets are wrapped"
        " anew at start; or, for replicas, the next one.",
    )
    kek_passphrase_file: Annotated[Path | None, AfterValidator(_usable_passphrase)] = Field(
        default=None, description="In stead of `kek_file`: a passphrase that Argon2id makes the key of."
    )
    kek_transit_url: str | None = Field(
        default=None,
        pattern=r"^(https://[!-~]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?)$",
        description="In stead of `kek_file`: HashiCorp Vault or OpenBao, whose transit engine has the key.",
    )
    kek_transit_mount: str = Field(default="transit", pattern=r"^[a-z0-9][a-z0-9/_-]{0,63}$")
    kek_transit_key: str = Field(default="mesh-gateway", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    kek_transit_token_file: Path = Field(
        default=Path(), description="Its token, read anew each time; default `state_dir`/transit.token."
    )
    kek_transit_ca_file: Path | None = Field(
        default=None, description="Certificates that vouch for it; default the system's."
    )
    keys_dir: Path = Field(
        default=Path(), description="<service>/service.key for each service; default `state_dir`/keys."
    )
    chain_id: int = Field(default=31337, ge=1, description="Of the chain whose wallets sign for agents.")
    sites: tuple[Annotated[str, Field(pattern=r"^https?://[^/\s]+$")], ...] = Field(
        default=(), description="Origins of pages on which owners sign in, such as the console's."
    )
    least_stake_units: int = Field(
        default=0, ge=0, description="An agent with less at stake does not come in by its wallet."
    )
    max_proxied_body_bytes: int = Field(default=10 << 20, ge=1024)
    max_proxied_response_bytes: int = Field(default=100 << 20, ge=1024)
    max_signed_body_bytes: int = Field(
        default=1 << 20, ge=0, description="Of a request that is signed as a whole, and so kept in memory."
    )
    max_operation_bytes: int = Field(
        default=1 << 20, ge=1024, description="Answer of a secure operation, which is kept in memory."
    )
    approval_s: int = Field(
        default=900, ge=1, le=86_400, description="How long a request may wait for its approval and its use."
    )
    audit_checkpoint_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="How often a signed checkpoint of the audit is kept for good.",
    )
    anchor_rpc_url: SecretStr | None = Field(
        default=None,
        description="JSON-RPC address of the chain on which checkpoints are anchored; none, no anchors.",
    )
    anchor_s: float = Field(default=3600.0, gt=0, le=31_536_000, description="How often one is.")
    anchor_key_file: Path = Field(
        default=Path(), description="Signs anchors and pays their gas; default `state_dir`/anchor.key."
    )
    upload_idle_s: float = Field(
        default=60.0, gt=0, description="How long a caller may say nothing within its request."
    )
    upstream_idle_s: float = Field(
        default=60.0, gt=0, description="How long an upstream may say nothing, before and within its answer."
    )

    @model_validator(mode="after")
    def _one_kek(self) -> Self:
        if self.kek_passphrase_file is not None and self.kek_transit_url is not None:
            raise ValueError("the key-encryption key is in one place: a passphrase or a transit engine")
        return self

    @model_validator(mode="before")
    @classmethod
    def _derive_own(cls, given: dict[str, object]) -> dict[str, object]:
        state_dir = Path(str(given.get("state_dir", ".")))
        keys_dir = Path(str(given.get("keys_dir", state_dir / "keys")))
        derived = {
            "port": cls.model_fields["port"].default,
            "kek_file": state_dir / "kek",
            "kek_transit_token_file": state_dir / "transit.token",
            "anchor_key_file": state_dir / "anchor.key",
            "keys_dir": keys_dir,
            "key_file": keys_dir / cls.service / "service.key",
        }
        return derived | given
