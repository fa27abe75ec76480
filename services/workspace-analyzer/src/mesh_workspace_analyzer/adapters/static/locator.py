"""Which project an import leads to, as Nx resolves it (nx 24, `TargetProjectLocator`)."""

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_workspace_analyzer.adapters.documents import string, strings, table
from mesh_workspace_analyzer.adapters.static.tree import Tree

TSCONFIGS = ("tsconfig.base.json", "tsconfig.json")
BUILTIN = frozenset(
    """
    assert async_hooks buffer bun child_process cluster console constants crypto dgram
    diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks
    process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url
    util v8 vm wasi worker_threads zlib
    """.split()  # noqa: SIM905 - names, not lines
)
TRIED = ("", ".ts", ".tsx", ".d.ts", ".js", ".jsx", "/index.ts", "/index.tsx", "/index.d.ts", "/index.js")

Projects = Mapping[str, Mapping[str, Any]]
Alias = tuple[str, str, str]
"""A pattern of `paths`, and what stands before and behind its star."""


@dataclass(slots=True)
class Locator:
    """Knows the projects, the aliases of the root's tsconfig, and what packages export."""

    projects: Projects
    paths: Mapping[str, list[str]]
    aliases: list[Alias]
    base_url: str | None
    files: Collection[str]
    by_root: Mapping[str, str]
    entries: Mapping[str, str]
    wildcards: Mapping[str, str]
    _owners: dict[str, str | None] = field(default_factory=dict[str, str | None])

    def find(self, name: str, file: str) -> str | None:
        """The project that `name` leads to from `file`; None for what is installed, built in or unknown."""
        if name in (".", "..") or name.startswith(("./", "../")):
            return self.owner(posixpath.normpath(posixpath.join(posixpath.dirname(file), name)))
        for path in self._aliased(name, file):
            if (found := self.owner(path)) is not None:
                return found
        if name.startswith(("node:", "bun:")) or name.split("/", maxsplit=1)[0] in BUILTIN:
            return None
        return self._under_base_url(name) or self.entries.get(name) or self._wildcard(name)

    def owner(self, path: str) -> str | None:
        """The innermost project around a path; its folder stands for itself."""
        if "node_modules" in path.split("/")[:-1]:
            return None
        if path not in self._owners:
            above = posixpath.dirname(path) or "."
            known = self.by_root.get(path)
            self._owners[path] = known or (self.owner(above) if above != path else None)
        return self._owners[path]

    def _aliased(self, name: str, file: str) -> Iterator[str]:
        star = ""
        key = name if name in self.paths and "*" not in name else None
        if key is None:
            fitting = [alias for alias in self.aliases if _is_alias(alias, name)]
            if not fitting:
                return
            key, before, behind = max(fitting, key=lambda alias: len(alias[1]))
            star = name[len(before) : len(name) - len(behind)]
        for path in self.paths[key]:
            yield self._plain(path.replace("*", star, 1) if star else path, file)

    def _plain(self, path: str, file: str) -> str:
        if path.lower().startswith("${configdir}"):
            root = self.projects[owner]["root"] if (owner := self.owner(file)) else "."
            return posixpath.normpath(posixpath.join(root, "./" + path[len("${configDir}") :]))
        return path.removeprefix("./").removesuffix("/")

    def _under_base_url(self, name: str) -> str | None:
        if self.base_url is None:
            return None
        path = posixpath.normpath(posixpath.join(self.base_url, name))
        return self.owner(path) if any(path + end in self.files for end in TRIED) else None

    def _wildcard(self, name: str) -> str | None:
        return next((self.wildcards[key] for key in self.wildcards if _is_wildcard(key, name)), None)


def locator(tree: Tree, projects: Projects) -> Locator:
    """Raises `BrokenProjectConfiguration` for a tsconfig that cannot be read."""
    name = next((name for name in TSCONFIGS if name in tree.paths), "")
    options = table(tree.json(name).get("compilerOptions"))
    paths = {key: strings(value) for key, value in table(options.get("paths")).items()}
    entries, wildcards = _exports(projects.values())
    return Locator(
        projects=projects,
        paths=paths,
        aliases=[(key, *key.split("*")) for key in paths if key.count("*") == 1],  # pyright: ignore[reportArgumentType]
        base_url=string(options.get("baseUrl")) or None,
        files=tree.paths,
        by_root={string(p["root"]).rstrip("/") or ".": name for name, p in projects.items()},
        entries=entries,
        wildcards=wildcards,
    )


def _is_alias(alias: Alias, name: str) -> bool:
    _, before, behind = alias
    return len(name) >= len(before) + len(behind) and name.startswith(before) and name.endswith(behind)


def _is_wildcard(key: str, name: str) -> bool:
    before, star, behind = key.partition("*")
    if "*" in behind or not star or name == before or not name.startswith(before):
        return False
    return not behind or (name.endswith(behind) and len(name) >= len(key))


def _exports(projects: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """What members of the workspace can be imported by: exact names, and names with a star."""
    names: dict[str, str] = {}
    for project in projects:
        if project["js"] is not None and project["js"]["is_member"]:
            names |= dict.fromkeys(_entries(project["js"]["package"]), string(project["name"]))
    entries = {name: project for name, project in names.items() if "*" not in name}
    return entries, {name: project for name, project in names.items() if "*" in name}


def _entries(package: Mapping[str, Any]) -> Iterator[str]:
    name, exports = string(package.get("name")), package.get("exports")
    if isinstance(exports, dict):
        for entry in (entry for entry, target in table(package["exports"]).items() if target is not None):
            yield posixpath.normpath(posixpath.join(name, entry)) if entry.startswith(".") else name
    elif exports or package.get("main"):
        yield name
