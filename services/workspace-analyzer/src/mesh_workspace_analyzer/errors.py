"""Outcomes a caller can act on."""

from collections.abc import Mapping
from http import HTTPStatus

from mesh_shared.errors import Conflict, MeshError, NotFound


class WorkspaceNotFound(NotFound, title="Workspace not found"):
    """No such folder under the configured roots, or its path leads out of them."""

    def __init__(self) -> None:
        super().__init__("There is no such folder under the configured workspace roots.")


class RevisionNotFound(NotFound, title="Revision not found"):
    """The head to analyse is not a commit of the workspace's repository."""

    def __init__(self, ref: str) -> None:
        super().__init__("The head is not a commit that git finds in this repository.", ref=ref)


class AnalysisNotFound(NotFound, title="Analysis not found"):
    """No analysis has that id."""


class JobNotFound(NotFound, title="Analysis job not found"):
    """No analysis was asked for under that id, or it ended so long ago that it is forgotten."""


class BuildNotFound(NotFound, title="Build not found"):
    """No build has that id."""


class NotAnNxWorkspace(Conflict, title="Not an Nx workspace"):
    """The folder has no `nx.json`. Without one Nx itself answers with an empty list and no error."""

    def __init__(self) -> None:
        super().__init__("The folder has no nx.json: name the folder of an Nx workspace.")


class NotAWorkspace(Conflict, title="Not a workspace"):
    """The folder has no file that makes it a workspace of a tool that is read here."""

    def __init__(self) -> None:
        super().__init__(
            "The folder has no nx.json, turbo.json, .moon/workspace.yml, or manifest that names members "
            "(package.json, pnpm-workspace.yaml, pyproject.toml, Cargo.toml): name the folder that your tool "
            "calls the root."
        )


class BrokenProjectConfiguration(Conflict, title="Broken project configuration"):
    """A configuration file of the workspace does not parse, or names what does not exist."""


class DuplicateProjectNames(Conflict, title="Duplicate project names"):
    """Two folders of the workspace define a project with the same name."""


class GraphForgotten(Conflict, title="Graph forgotten"):
    """The graph that the analysis rests on is no longer kept."""

    def __init__(self) -> None:
        super().__init__("The graph of that analysis is no longer kept: analyse the workspace again.")


class NothingToChange(Conflict, title="Nothing to change"):
    """A change names a dependency or a task that the workspace does not have."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("The workspace of that analysis has no such dependency or task.", missing=missing)


class WorkspaceUnreadable(Conflict, title="Workspace not readable"):
    """git cannot read the workspace: missing objects, forbidden names, unreadable files."""


class WorkspaceTooLarge(Conflict, title="Workspace too large"):
    """The workspace has more files or bytes than this service is set to read."""

    def __init__(self, *, files: int, size_bytes: int) -> None:
        super().__init__(
            f"The workspace has {files} files with {size_bytes} bytes, more than this service reads.",
            files=files,
            size_bytes=size_bytes,
        )


class ArchiveRefused(Conflict, title="Archive refused"):
    """The archive cannot be unpacked, or has what no archive of a workspace needs."""


class HostNotAllowed(Conflict, title="Host not allowed"):
    """The operator has not named the host of the repository."""

    def __init__(self, host: str) -> None:
        super().__init__("The operator has not named that host in MESH_GIT_HOSTS.", host=host)


class AddressNotPublic(Conflict, title="Address not public"):
    """The host of the repository has an address inside of somebody's network."""

    def __init__(self, host: str) -> None:
        super().__init__("That host has an address that is not a public one.", host=host)


class HistoryTooLarge(Conflict, title="History too large"):
    """The repository has more bytes of history than this service fetches."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"The history of the repository has more than {most_bytes} bytes: clone it under a root instead.",
            limit_bytes=most_bytes,
        )


class AnalysisTimedOut(Conflict, title="Analysis timed out"):
    """Reading the workspace took longer than this service allows."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"Reading the workspace took longer than {limit_s:g} s.", limit_s=limit_s)


class TooBusy(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Too busy"):
    """As many workspaces are open as this service opens at once; trying again later is safe."""

    def __init__(self) -> None:
        super().__init__("Too many workspaces are being read now. Nothing was changed.")

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "5"}


class QueueFull(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Queue full"):
    """As much work waits as may; trying again later is safe."""

    def __init__(self) -> None:
        super().__init__("Too much work waits now. Nothing was accepted.")

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "60"}


class HistoryOutsideRoots(Conflict, title="History outside of the roots"):
    """The repository's objects lie outside of the configured roots; they are not read."""

    def __init__(self) -> None:
        super().__init__(
            "The workspace's .git leads out of the configured roots: analyse a clone of its own."
        )


class WebhooksNotConfigured(Conflict, title="Webhooks not configured"):
    """Nobody could tell whether GitHub is who sends."""

    def __init__(self) -> None:
        super().__init__(
            "The operator has not named a secret in MESH_GITHUB_SECRET_FILE: deliveries are not taken."
        )


class SignatureRefused(MeshError, status=HTTPStatus.UNAUTHORIZED, title="Signature refused"):
    """The delivery was changed on its way, or is signed with another secret."""

    def __init__(self) -> None:
        super().__init__("X-Hub-Signature-256 is not a signature of this body with our secret.")

    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": "X-Hub-Signature-256"}


class PluginsNotAllowed(Conflict, title="Plugins not allowed"):
    """`nx-full` runs the workspace's plugins, which the operator has to allow, and which needs a sandbox."""

    def __init__(self) -> None:
        super().__init__(
            "nx-full runs the workspace's plugins: the operator has not set MESH_ALLOW_PLUGINS, or "
            "MESH_SANDBOX is not bubblewrap, or bubblewrap does not work here."
        )


class BuildsNotAllowed(Conflict, title="Builds not allowed"):
    """Builds run the workspace's own code, which the operator has to allow, and which needs a sandbox."""

    def __init__(self) -> None:
        super().__init__(
            "Builds run the workspace's own code: the operator has not set MESH_ALLOW_BUILDS, or the sandbox "
            "that MESH_SANDBOX names does not work here."
        )
