"""Leases: the use of a connection for one piece of work, short and renewed while that goes on."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """`holder` may name it at calls through `connection` until `expires_at`; renewing ends at `ends_at`.

    Instants are in Unix seconds.
    """

    id: UUID
    connection_id: UUID
    connection: str
    owner: str
    holder: str
    created_at: int
    expires_at: int
    ends_at: int
    is_revoked: bool

    @property
    def path(self) -> str:
        """What prefixes are compared with: `connection/holder/id`."""
        return path_of(self.connection, self.holder, self.id)

    def is_live(self, now: float) -> bool:
        """True before the expiry, unless revoked; `now` in Unix seconds."""
        return not self.is_revoked and now < self.expires_at

    def covers(self, holder: str, connection_id: UUID, now: float) -> bool:
        """True while `holder` may name it at a call through that connection."""
        return (self.holder, self.connection_id) == (holder, connection_id) and self.is_live(now)

    def renewed(self, now: int, ttl_s: int) -> int:
        """When it expires after it was renewed for `ttl_s` seconds at `now`: never after its end."""
        return min(now + ttl_s, self.ends_at)


def path_of(connection: str, holder: str, id: UUID) -> str:
    """`connection/holder/id`."""
    return f"{connection}/{holder}/{id}"
