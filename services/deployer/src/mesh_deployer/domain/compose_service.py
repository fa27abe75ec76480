"""One service of a compose file: what runs, with which words and variables."""

import shlex
from collections.abc import Iterator

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.compose_names import sdl_name
from mesh_deployer.domain.compose_variables import Variables
from mesh_deployer.domain.images import is_reference
from mesh_deployer.domain.place import Place

_IN_A_VARIABLE = "Read it from a variable that is written as gateway://<connection>."


def image(service: Place, pushed: str | None) -> str:
    """What runs: `pushed` before what is written.

    A note where it would have to be built, or is no name that a registry has.
    """
    place, build = service.at("image"), service.at("build")
    name = pushed or place.text()
    if not name:
        place.error(
            "missing", "Akash builds nothing.", "Push the image to a registry and name it in `images`."
        )
    elif not is_reference(name):
        place.error("image", "No registry has an image of this name.", "Write host/path:tag in lower case.")
    elif not build.is_absent:
        build.warn("not-carried", "Akash builds nothing; `image` is taken.", "Push what was built.")
    return name


def words(place: Place) -> list[str] | None:
    """A command as a list, or as a line that is split like a shell's; None where the image's own is meant."""
    if place.is_absent:
        return None
    found = _split(place) if place.is_scalar else list(place.texts() or ())
    for index, option in secrecy.in_words(found, place.path).items():
        what = option if option.startswith("-") else f"Word {index + 1}"
        place.error(
            "secret-in-sdl", f"{what} looks like a secret, and providers can read it.", _IN_A_VARIABLE
        )
    return found


def environment(service: Place, variables: Variables, owner: str) -> list[str]:
    """`NAME=value` entries; what looks like a secret is a connection of the gateway instead, and noted."""
    place = service.at("environment")
    given = _pairs(place) if place.is_mapping else _entries(place)
    return [entry for at, name, value in given if (entry := _entry(at, name, value, variables, owner))]


def _entry(place: Place, name: str, written: str | None, variables: Variables, owner: str) -> str | None:
    if written is None:
        is_known = name in variables.values
        written = f"${{{name}}}" if is_known or _tells(name) else None
    if written is None:
        hint = f"Write `{name}: …`."
        place.warn("not-carried", f"{name} comes from your own environment, which stays here.", hint)
        return None
    value, is_open = variables.fill(place, written)
    if (is_open and _tells(name)) or secrecy.in_env((f"{name}={value}",)):
        connection = f"{owner}-{sdl_name(name)}"
        hint = f"Store it in the security gateway as {connection}."
        place.warn("secret-in-sdl", f"{name} looks like a secret; a connection is named instead.", hint)
        return f"{name}=gateway://{connection}"
    if is_open:
        variables.refuse(place)
    return f"{name}={value}"


def _tells(name: str) -> bool:
    """True for the name of a secret, whatever its value is."""
    return bool(secrecy.in_env((f"{name}=x",)))


def _pairs(place: Place) -> Iterator[tuple[Place, str, str | None]]:
    for name, entry in place.named().items():
        yield entry, name, None if entry.is_absent else entry.text()


def _entries(place: Place) -> Iterator[tuple[Place, str, str | None]]:
    for item in place.items():
        name, equals, value = item.text().partition("=")
        yield item, name, value if equals else None


def _split(place: Place) -> list[str]:
    try:
        return shlex.split(place.text())
    except ValueError:
        place.error("command", "A quotation mark is not closed.", "Write a list of words.")
        return []
