"""What may be passed on: never more than one holds, and to nobody outside one's own."""

from collections.abc import Iterable

from mesh_shared.auth.tokens import ADMIN, Principal

SERVICES = ("registry", "coordinator", "deployer", "security-gateway", "workspace-analyzer")
HERE = frozenset({"security-gateway"})
WALLET_SCOPES = ("gateway:proxy",)
"""What an agent may that came in by its owner's signature; a call needs a grant besides."""

_EVERY_SERVICE = ("events:read", "registry:write")
_MORE = {
    "coordinator": (
        "actions:invoke",
        "deployer:deploy",
        "gateway:proxy",
        "registry:discover",
        "workspace:analyze",
    ),
    "deployer": ("gateway:compile", "gateway:proxy"),
    "security-gateway": ("registry:discover",),
}


def service_scopes(service: str) -> tuple[str, ...]:
    """The scopes of a service's own key, sorted: what its calls to the other services need and no more."""
    return tuple(sorted((*_EVERY_SERVICE, *_MORE.get(service, ()))))


def exceeding(holder: Principal, scopes: Iterable[str]) -> list[str]:
    """Those of `scopes` that `holder` does not have, sorted."""
    return sorted(scope for scope in scopes if not holder.can(scope))


def may_name(holder: Principal, subject: str) -> bool:
    """True for the holder itself and what is below it (`a`, `a/b`); an admin may name anyone."""
    return holder.can(ADMIN) or subject == holder.subject or subject.startswith(f"{holder.subject}/")
