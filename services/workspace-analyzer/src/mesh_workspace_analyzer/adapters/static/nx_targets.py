"""Targets as Nx puts them together: defaults of `nx.json`, scripts, `package.json`, `project.json`.

Only what says how tasks wait for each other and what they read is followed; options are not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mesh_workspace_analyzer.adapters.documents import items, string, strings, table
from mesh_workspace_analyzer.adapters.static.matching import matching
from mesh_workspace_analyzer.domain.globs import fits

Target = dict[str, Any]
SPREAD = "..."
RUN_SCRIPT, RUN_COMMANDS = "nx:run-script", "nx:run-commands"


def from_package(package: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Target]:
    """The targets of a `package.json`; `beside` are those of the `project.json` next to it."""
    own = table(package.get("nx"))
    replaced = {name for name, target in beside.items() if _is_another_program(table(target), name)}
    scripts = [name for name in table(package.get("scripts")) if name not in replaced]
    included = strings(own.get("includedScripts")) or scripts
    targets: dict[str, Target] = {
        name: {"executor": RUN_SCRIPT, "options": {"script": name}} for name in included
    }
    for name, target in table(own.get("targets")).items():
        says_how = "executor" in table(target) or "command" in table(target)
        targets[name] = table(target) if says_how else merged(targets.get(name, {}), table(target))
    return targets


def _is_another_program(target: Target, name: str) -> bool:
    script = table(target.get("options")).get("script")
    is_another = "executor" in target and (target["executor"] != RUN_SCRIPT or script != name)
    return bool(target.get("command")) or is_another


def merged(base: Target, target: Target) -> Target:
    """A target over another one; what runs something else takes the place of it."""
    over = _plain(target)
    if not _are_compatible(_plain(base), over):
        return over
    both = {key: _spread(base.get(key), value) for key, value in over.items()}
    options = table(base.get("options")) | table(over.get("options"))
    return {**_plain(base), **both, **({"options": options} if options else {})}


def _plain(target: Target) -> Target:
    """`command` is short for the executor that runs commands."""
    if "command" not in target or "executor" in target:
        return target
    options = table(target.get("options")) | {"command": target["command"]}
    rest = {key: value for key, value in target.items() if key != "command"}
    return rest | {"executor": RUN_COMMANDS, "options": options}


def _are_compatible(base: Target, target: Target) -> bool:
    if "executor" not in base or "executor" not in target:
        return True
    ours, theirs = table(base.get("options")), table(target.get("options"))
    same = all(
        ours[key] == theirs[key] for key in ("command", "script", "commands") if key in ours and key in theirs
    )
    return base["executor"] == target["executor"] and same


def _spread(base: object, value: Any) -> Any:
    if SPREAD not in items(value):
        return value
    at = value.index(SPREAD)
    return [*value[:at], *items(base), *value[at + 1 :]]


def with_defaults(
    project: Mapping[str, Any], layers: list[dict[str, Target]], defaults: Mapping[str, Any]
) -> dict[str, Target]:
    """The targets of a project, over the defaults for each; what runs nothing is left out (nx 24)."""
    targets: dict[str, Target] = {}
    for name in dict.fromkeys(name for layer in layers for name in layer):
        own = [table(layer[name]) for layer in layers if name in layer]
        staged = _folded({}, own)
        target = _folded(_default(project, name, staged, defaults), own)
        if target.get("executor") or target.get("command") or target.get("dependsOn"):
            targets[name] = target
    return targets


def _folded(base: Target, layers: list[Target]) -> Target:
    for layer in layers:
        base = merged(base, layer)
    return base


def _default(project: Mapping[str, Any], name: str, target: Target, defaults: Mapping[str, Any]) -> Target:
    for key in _keys(name, string(target.get("executor")), defaults):
        entries = items(defaults[key]) or [defaults[key]]
        found = [entry for entry in map(table, entries) if _applies(entry, project, target)]
        if found:
            return _layered(found, target)
    return {}


def _layered(entries: list[Target], target: Target) -> Target:
    base: Target = {}
    for entry in entries:
        plain = _plain({key: value for key, value in entry.items() if key != "filter"})
        if _are_compatible({"executor": plain.get("executor", "")} if "executor" in plain else {}, target):
            base = merged(
                base, plain | {key: target[key] for key in ("executor", "options") if key in target}
            )
    return base


def _keys(name: str, executor: str, defaults: Mapping[str, Any]) -> Iterator[str]:
    if executor in defaults:
        yield executor
    if name in defaults and name != executor:
        yield name
    globs = (key for key in defaults if key not in (name, executor) and any(c in key for c in "*|{}()["))
    yield from (key for key in sorted(globs, key=len, reverse=True) if fits(key, name))


def _applies(entry: Target, project: Mapping[str, Any], target: Target) -> bool:
    """Whether the entry's filter lets this target of this project in."""
    given = table(entry.get("filter"))
    if "plugin" in given or given.get("executor", target.get("executor")) != target.get("executor"):
        return False
    return "projects" not in given or bool(
        matching(strings(given["projects"]), {str(project["name"]): project})
    )
