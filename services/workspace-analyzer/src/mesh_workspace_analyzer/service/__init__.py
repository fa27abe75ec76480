"""Use cases: analyse a workspace, build what is affected."""

from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

from mesh_workspace_analyzer.service.analyses import AnalysisDesk
from mesh_workspace_analyzer.service.builds import BuildDesk
from mesh_workspace_analyzer.service.jobs import JobDesk
from mesh_workspace_analyzer.service.questions import QuestionDesk
from mesh_workspace_analyzer.service.webhooks import WebhookDesk

ANALYZE = "workspace:analyze"
"""The scope for making and reading analyses."""
BUILD = "workspace:build"
"""The scope for running the code of a workspace, and for reading what it wrote."""
PLUGINS = "workspace:plugins"
"""The scope for having a workspace's plugins say what is in it, and for ending that."""

_IDS = UUID("5a3c33a5-6c0d-4f8b-9a5e-0d6a7f1b7d11")


@dataclass(frozen=True, slots=True)
class WorkspaceAnalyzer:
    """Everything that a caller can ask of this service."""

    analyses: AnalysisDesk
    builds: BuildDesk
    questions: QuestionDesk
    jobs: JobDesk
    webhooks: WebhookDesk


def id_for(subject: str, key: str | None, *scope: object) -> UUID:
    """The same id whenever a caller repeats a request under its key, also after a crash; else a new one."""
    if key is None:
        return uuid4()
    return uuid5(_IDS, "\0".join((subject, key, *map(str, scope))))
