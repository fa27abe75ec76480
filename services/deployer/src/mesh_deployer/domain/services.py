"""`services.<name>`. Rules after chain-sdk's go/sdl/v2.go, v2_1.go and tee.go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mesh_deployer.domain import exposes, secrecy
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Credentials, Expose, Mount, Params

_SERVICE = ("image", "command", "args", "env", "expose", "dependencies", "params", "credentials")
_CREDENTIALS = ("host", "email", "username", "password")
_PERMISSIONS = ("deployment", "logs", "events")
_TEES = ("cpu", "cpu-gpu")
_LEAST_EMAIL, _LEAST_PASSWORD = 5, 6
_ENV_NAME = re.compile(r"(?!\.?$|\.\.)[-._a-zA-Z][-._a-zA-Z0-9]*")
"""A name that Kubernetes takes (k8s.io/apimachinery, IsEnvVarName)."""


@dataclass(frozen=True, slots=True)
class ServiceSection:
    """A service as written; `exposes` has one entry per port and destination, in Akash's order."""

    place: Place
    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...] | None
    env: tuple[str, ...] | None
    exposes: tuple[Expose, ...]
    params: Params | None
    credentials: Credentials | None


def read(place: Place, sequence: Mapping[str, int]) -> ServiceSection:
    """Reads one service; `sequence` has the number of every leased IP."""
    place.fields(_SERVICE)
    for dependency in place.at("dependencies").items():
        dependency.fields(("service",))
        dependency.at("service").text()
    return ServiceSection(
        place=place,
        image=place.at("image").text(),
        command=_words(place.at("command")),
        args=_words(place.at("args")),
        env=_env(place.at("env")),
        exposes=exposes.read(place.at("expose"), sequence),
        params=_params(place.at("params")),
        credentials=_credentials(place.at("credentials")),
    )


def _words(place: Place) -> tuple[str, ...] | None:
    words, items = place.texts(), place.items()
    for index in secrecy.in_words(words or (), place.path):
        _warn_of_secret(items[index], "This")
    return words


def _env(place: Place) -> tuple[str, ...] | None:
    entries, items = place.texts(), place.items()
    for entry, item in zip(entries or (), items, strict=True):
        if not _ENV_NAME.fullmatch(entry.partition("=")[0]):
            item.invalid("env-name", "This does not start with the name of a variable.", "Write NAME=value.")
    for index, name in secrecy.in_env(entries or ()).items():
        _warn_of_secret(items[index], name)
    return entries


def _warn_of_secret(place: Place, what: str) -> None:
    place.warn(
        "secret-in-sdl",
        f"{what} looks like a secret, and providers can read it.",
        "Store it in the security gateway and write gateway://<connection>.",
    )


def _credentials(place: Place) -> Credentials | None:
    """As they are written; Akash asks for host, user name and password, its schema for more."""
    if place.is_absent:
        return None
    place.fields(_CREDENTIALS)
    host, email, username, password = (place.at(key).text() for key in _CREDENTIALS)
    for key, value in (("host", host), ("username", username), ("password", password)):
        if not value.strip():
            place.at(key).invalid("missing", f"Credentials need a {key}.", f"Write `{key}: …`.")
    if email and len(email) < _LEAST_EMAIL:
        place.at("email").warn(
            "too-short", f"An address has at least {_LEAST_EMAIL} characters.", "Write all of it."
        )
    if len(password) < _LEAST_PASSWORD:
        place.at("password").warn(
            "too-short", f"A password has at least {_LEAST_PASSWORD} characters.", "Use a longer one."
        )
    place.at("password").warn(
        "secret-in-sdl", "The provider can read this password.", "Use a token that only pulls."
    )
    return Credentials(host, email, username, password)


def _params(place: Place) -> Params | None:
    if place.is_absent:
        return None
    place.fields(("storage", "permissions", "tee"))
    mounts = tuple(_mount(name, volume) for name, volume in place.at("storage").named().items())
    return Params(mounts, _permissions(place.at("permissions")), _tee(place.at("tee")))


def _mount(name: str, place: Place) -> Mount:
    place.fields(("mount", "readOnly"))
    path = place.at("mount").text()
    if not path.startswith("/"):
        hint = "Start it with a slash."
        place.at("mount").invalid("mount", "A volume is mounted at an absolute path.", hint)
    return Mount(name, path, place.at("readOnly").flag())


def _permissions(place: Place) -> tuple[str, ...] | None:
    if place.is_absent:
        return None
    read = place.fields(("read",)).at("read").texts() or ()
    for unknown in set(read) - set(_PERMISSIONS):
        place.at("read").warn("permission", f"There is no {unknown}.", f"One of {', '.join(_PERMISSIONS)}.")
    return read


def _tee(place: Place) -> str:
    tee = place.text()
    if tee and tee not in _TEES:
        place.invalid("tee", "There is no such kind.", f"One of {', '.join(_TEES)}.")
    return tee
