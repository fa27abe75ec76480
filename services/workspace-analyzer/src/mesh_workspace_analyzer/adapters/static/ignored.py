"""Files that Nx does not see: what `.gitignore` and `.nxignore` name, in their folder and below."""

from collections.abc import Iterable, Mapping

from pathspec import GitIgnoreSpec

from mesh_workspace_analyzer.adapters.static.tree import folder_of

NAMES = (".gitignore", ".nxignore")
MOST_STARS = 6
"""A pattern with more of them could take for ever to compare with a long name; it is not followed."""


def visible(paths: Iterable[str], texts: Mapping[str, str]) -> frozenset[str]:
    """The paths that no ignore file among the texts names."""
    left = frozenset(paths)
    for path in sorted(path for path in texts if path.rpartition("/")[2] in NAMES):
        spec, folder = _spec(texts[path]), folder_of(path)
        before = "" if folder == "." else f"{folder}/"
        below = (name for name in left if name.startswith(before))
        left -= {name for name in below if spec.match_file(name[len(before) :])}
    return left


def _spec(text: str) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(line for line in text.splitlines() if line.count("*") <= MOST_STARS)
