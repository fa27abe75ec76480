"""Who may call, and what answers."""

from typing import Annotated

from fastapi import Depends, Request
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.security import allow

from mesh_workspace_analyzer.service import ANALYZE, BUILD, PLUGINS, WorkspaceAnalyzer

Analyst = Annotated[Principal, allow(ANALYZE)]
Builder = Annotated[Principal, allow(BUILD)]
PluginRunner = Annotated[Principal, allow(PLUGINS)]


async def analyzer(request: Request) -> WorkspaceAnalyzer:
    return request.app.state.service


Analyzer = Annotated[WorkspaceAnalyzer, Depends(analyzer)]
