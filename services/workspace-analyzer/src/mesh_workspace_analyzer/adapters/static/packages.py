"""Packages of npm, pnpm and yarn workspaces: who is a member, and whose dependencies stay at home."""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nodesemver import satisfies  # pyright: ignore[reportUnknownVariableType]

from mesh_workspace_analyzer.adapters.documents import strings, table
from mesh_workspace_analyzer.adapters.static.tree import PACKAGE, Tree, folder_of
from mesh_workspace_analyzer.domain.globs import fits

LONGEST_RANGE = 256
# The last one wins where a package is named twice.
SECTIONS = ("optionalDependencies", "peerDependencies", "devDependencies", "dependencies")


def members(tree: Tree) -> Callable[[str], bool]:
    """Tells whether a `package.json` belongs to the workspace, by its package manager's globs (nx 24)."""
    globs = [_glob(pattern) for pattern in _patterns(tree)]
    wanted = [glob for glob in globs if not glob.startswith("!")]
    unwanted = [glob[1:] for glob in globs if glob.startswith("!")]
    if unwanted and wanted in ([], [PACKAGE]):
        wanted.append(f"**/{PACKAGE}")

    def is_member(path: str) -> bool:
        is_wanted = any(path == glob or fits(glob, path, dot=False) for glob in wanted)
        return is_wanted and not any(path == glob or fits(glob, path, dot=False) for glob in unwanted)

    return is_member


def _patterns(tree: Tree) -> Iterator[str]:
    if PACKAGE not in tree.texts:
        return
    root = tree.json(PACKAGE)
    given = root.get("workspaces")
    yield from strings(given) or strings(table(given).get("packages"))
    yield from strings(tree.yaml("pnpm-workspace.yaml").get("packages"))
    if "lerna.json" in tree.texts:
        yield from strings(tree.json("lerna.json").get("packages")) or ["packages/*"]
    if root.get("nx") not in (None, False, "", 0):
        yield PACKAGE


def _glob(pattern: str) -> str:
    sign, plain = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    path = plain if plain.endswith(f"/{PACKAGE}") or plain == PACKAGE else f"{plain}/{PACKAGE}"
    return sign + posixpath.normpath(path)


def needs(package: Mapping[str, Any], sections: tuple[str, ...] = SECTIONS) -> dict[str, str]:
    """What a package says that it needs, with the versions that it takes."""
    return {
        name: version
        for section in sections
        for name, version in table(package.get(section)).items()
        if isinstance(version, str)
    }


def is_met_at_home(path: str, wanted: str, root: str, version: object) -> bool:
    """Whether the workspace's own package in `root` is what the `package.json` at `path` wants (nx 24)."""
    plain = wanted.removeprefix("workspace:")
    if plain != wanted or plain == "*":
        return True
    if plain.startswith("file:"):
        return posixpath.normpath(posixpath.join(folder_of(path), plain.removeprefix("file:"))) == root
    if not isinstance(version, str) or max(len(plain), len(version)) > LONGEST_RANGE:
        return False
    try:
        return bool(satisfies(version, plain, loose=False, include_prerelease=True))
    except ValueError:
        return False
