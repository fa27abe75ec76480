"""What a workspace's tree holds, as far as its readers look into it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mesh_workspace_analyzer.adapters.documents import json_object, toml_object, yaml_object

PACKAGE, PROJECT = "package.json", "project.json"


@dataclass(frozen=True, slots=True)
class Tree:
    """The names of all files, and the texts of those that configure something."""

    paths: frozenset[str]
    texts: Mapping[str, str]

    def json(self, path: str) -> dict[str, Any]:
        """An empty object where there is no such file. Raises `BrokenProjectConfiguration`."""
        return json_object(path, self.texts[path]) if path in self.texts else {}

    def yaml(self, path: str) -> dict[str, Any]:
        """As `json`."""
        return yaml_object(path, self.texts[path]) if path in self.texts else {}

    def toml(self, path: str) -> dict[str, Any]:
        """As `json`."""
        return toml_object(path, self.texts[path]) if path in self.texts else {}

    def named(self, name: str) -> Iterator[str]:
        """The files of that name that can be looked into, in order."""
        return (path for path in sorted(self.texts) if path.rpartition("/")[2] == name)


def folder_of(path: str) -> str:
    """The folder of a file, `.` for the workspace's own."""
    return str(PurePosixPath(path).parent)


def inside(folder: str, name: str) -> str:
    """The path of a file in a folder of the workspace."""
    return name if folder == "." else f"{folder}/{name}"
