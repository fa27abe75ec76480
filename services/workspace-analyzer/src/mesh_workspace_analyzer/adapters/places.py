"""Workspaces wherever they are."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from mesh_workspace_analyzer.adapters.remotes import SCHEME
from mesh_workspace_analyzer.domain.analysis import ARCHIVE
from mesh_workspace_analyzer.errors import WorkspaceNotFound
from mesh_workspace_analyzer.ports import Source, Sources


@dataclass(frozen=True, slots=True)
class AllSources:
    """Implements `ports.Sources`: a URL is asked for elsewhere, anything else is a folder here."""

    folders: Sources
    remotes: Sources

    def open(self, workspace: str, *, base: str, head: str) -> AbstractAsyncContextManager[Source]:
        """See `ports.Sources.open`."""
        if workspace.startswith(ARCHIVE):
            raise WorkspaceNotFound  # it is gone since it was read
        place = self.remotes if workspace.startswith(SCHEME) else self.folders
        return place.open(workspace, base=base, head=head)
