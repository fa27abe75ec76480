"""Which environment variables must not carry their value in an SDL."""

import re
from collections.abc import Iterable

GATEWAY_REFERENCE = re.compile(r"gateway://[a-z0-9][a-z0-9._-]{0,127}")
_SECRET_NAME = re.compile(r".*(KEY|TOKEN|SECRET|PASSWORD|PASSWD)", re.IGNORECASE)
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def is_name(name: str) -> bool:
    """True for a name that Kubernetes takes (k8s.io/apimachinery, IsEnvVarName)."""
    return bool(_NAME.fullmatch(name)) and name != "." and not name.startswith("..")


def is_exposed_secret(name: str, value: str) -> bool:
    """True when the name says secret and the value is there for every provider to read.

    A reference to a connection of the security gateway, `gateway://<connection>`, is no secret.
    """
    return bool(_SECRET_NAME.fullmatch(name) and value and not GATEWAY_REFERENCE.fullmatch(value))


def exposed_secrets(env: Iterable[str]) -> list[str]:
    """The names, sorted, of the `NAME=value` entries that `is_exposed_secret`."""
    pairs = (entry.partition("=") for entry in env)
    return sorted({name for name, _, value in pairs if is_exposed_secret(name, value)})
