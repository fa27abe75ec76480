"""What projects may depend on, by their tags."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

EVERY = "*"
_STARS = re.compile(r"\.\*|\*+")


@dataclass(frozen=True, slots=True)
class Constraint:
    """Projects with all of the tags `sources` may only depend on projects with one of `only`, and on none
    that needs a project with one of `never`, at any remove, or has one itself.

    Without `only` they may depend on any; with an empty one, on those without tags. Without `sources` it is
    about every project. Source: `depConstraints` of Nx's ESLint rule `enforce-module-boundaries` (nrwl/nx,
    packages/eslint-plugin), which also complains of a project that no constraint is about; that is left out.
    """

    sources: tuple[str, ...]
    only: tuple[str, ...] | None = None
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Constraints, and the file of the workspace that they are from; empty when a caller names them."""

    constraints: tuple[Constraint, ...] = ()
    file: str = ""


NO_BOUNDARIES = Boundaries()


def has(tags: Iterable[str], wanted: str) -> bool:
    """True when one of `tags` is meant: `*` by any project, `/…/` is a regular expression, `a*` a glob.

    Source: `hasTag` of the same rule. Raises `ValueError` as `pattern` does.
    """
    if wanted == EVERY:
        return True
    if (regex := pattern(wanted)) is None:
        return wanted in tags
    return any(_fits(regex, tag) for tag in tags)


@lru_cache(maxsize=1024)
def pattern(tag: str) -> TypeAdapter[str] | None:
    """What finds the tags that are meant, in linear time whoever wrote it; None for a tag that means itself.

    Raises `ValueError` for what is no regular expression, or one that looks around or back.
    """
    if len(tag) > 1 and tag.startswith("/") and tag.endswith("/"):
        regex = tag[1:-1]
    elif "*" in tag:
        regex = f"^{_STARS.sub('.*', tag)}$"
    else:
        return None
    try:
        return TypeAdapter(Annotated[str, Field(pattern=regex)])  # the regex of Rust, which never looks twice
    except SchemaError:
        raise ValueError(f"{tag} is no pattern that can be looked for") from None


def _fits(regex: TypeAdapter[str], tag: str) -> bool:
    try:
        regex.validate_python(tag)
    except ValidationError:
        return False
    return True
