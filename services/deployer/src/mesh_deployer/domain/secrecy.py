"""What an SDL must not show: every provider that gets the manifest can read all of it.

A heuristic, by name and by form. It keeps a mistake from being published, not somebody who wants to.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from mesh_deployer.domain.workload import Service, Workload
from mesh_deployer.errors import SecretInSdl

_SEPARATOR = re.compile(r"[-_.]+|(?<=[a-z])(?=[A-Z])")
# The words of BuildKit's check SecretsUsedInArgOrEnv. Short ones count at the end: DB_PASS, but not PASS_1.
_SECRET = re.compile(r"apikey|credentials?|key|passphrase|passwd|password|pword|secret|token")
_SECRET_AT_THE_END = re.compile(r"auth|pass|pwd|.*(key|token|secret|password|passwd)")
# A name that ends so is about a secret, or of one that is public: TOKEN_URL, API_KEY_FILE, SSH_PUBKEY.
_ABOUT = re.compile(
    r"algorithm|count|dir|enabled|endpoint|file|header|host|id|length|limit|name|path|port|pubkey|size|ttl"
    r"|type|uri|url"
)
# What stands for a value elsewhere: a connection of the gateway, a variable of Kubernetes or a shell, a file.
_REFERENCE = re.compile(
    r"gateway://[a-z0-9][a-z0-9._-]{0,127}"
    r"|\$(\(\w+\)|\{\w+\}|[A-Z_][A-Z0-9_]*)"
    r"|(/[\w.-]+){2,}|/[\w-]+\.[a-z]+"
)
# Every part is bounded, so that a search takes time in proportion to the text.
_CREDENTIAL = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b"  # AWS
    r"|\bgh[opsur]_[A-Za-z0-9]{20}|\bgithub_pat_\w{20}|\bglpat-[\w-]{20}"  # GitHub, GitLab
    r"|\bsk-(?=[\w-]{0,40}\d)[\w-]{16}|\bhf_[A-Za-z]{20}|\bAIza[\w-]{35}"  # OpenAI, Anthropic, HF, Google
    r"|\b[rs]k_(live|test)_\w{16}|\bxox[abeprs]-[\w-]{10}|\bnpm_[A-Za-z0-9]{30}"  # Stripe, Slack, npm
    r"|\beyJ[\w-]{8,150}\.eyJ[\w-]{8}"  # JWT
    r"|\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,100}:[^\s/:@$]{1,200}@"  # a URL with a password
)

_REDACTED = re.compile(rf"(?:{_CREDENTIAL.pattern})[^\s\"']{{0,4096}}")
"""A credential to its end."""


def redacted(text: str) -> str:
    """`text` without what looks like a credential by its form."""
    return _REDACTED.sub("[redacted]", text)


def exposed(workload: Workload) -> list[str]:
    """The places that show a secret of `workload`, sorted: names of variables and options, or `args[2]`."""
    return sorted({name for service in workload.services for name in _of_service(service)})


def forbid(workload: Workload) -> None:
    """Lets a workload through that shows no secret. Raises `SecretInSdl`."""
    if names := exposed(workload):
        raise SecretInSdl(names)


def in_env(entries: Sequence[str]) -> dict[int, str]:
    """Index and name of the `NAME=value` entries that show a secret; `env[2]` where the name may show it."""
    found: dict[int, str] = {}
    for i, entry in enumerate(entries):
        name, equals, value = entry.partition("=")
        if _holds_secret(name, value):
            found[i] = name
        elif _CREDENTIAL.search(entry):
            found[i] = name if equals and not _CREDENTIAL.search(name) else f"env[{i}]"
    return found


def in_words(words: Sequence[str], label: str) -> dict[int, str]:
    """Index and option of the words of a command line that show a secret; `label[2]` where there is none."""
    found = {i: f"{label}[{i}]" for i, word in enumerate(words) if _CREDENTIAL.search(word)}
    for i, (word, following) in enumerate(pairwise((*words, ""))):
        option, equals, value = word.partition("=")
        value = value if equals or following.startswith("-") else following
        if option.startswith("-") and i not in found and _holds_secret(option.lstrip("-"), value):
            found[i] = option
    return found


def _of_service(service: Service) -> Iterator[str]:
    yield from in_env(service.env or ()).values()
    yield from in_words(service.command or (), "command").values()
    yield from in_words(service.args or (), "args").values()


def _holds_secret(name: str, value: str) -> bool:
    is_harmless = value in ("", "true", "false") or _REFERENCE.fullmatch(value)
    return not is_harmless and _says_secret(name)


def _says_secret(name: str) -> bool:
    words = [word.lower() for word in _SEPARATOR.split(name) if word]
    if not words or _ABOUT.fullmatch(words[-1]) or "public" in words:
        return False
    return any(map(_SECRET.fullmatch, words)) or bool(_SECRET_AT_THE_END.fullmatch(words[-1]))
