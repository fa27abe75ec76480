"""Budgets over HTTP; whoever asks sees their own only."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute

from mesh_coordinator.api.runs import Client, Service
from mesh_coordinator.schemas.budgets import BUDGET_NAME, NewBudgetBody, SharedBudgetView

router = APIRouter(prefix="/v1", tags=["budgets"], route_class=MeshRoute)


@router.post("/budgets", status_code=201, operation_id="create_budget")
async def create_budget(
    body: NewBudgetBody, response: Response, caller: Client, service: Service
) -> SharedBudgetView:
    """Sets a limit that all runs which name it as their `shared_budget` keep together.

    The same again is the same budget; 409 `budget-exists` when it has another limit.
    """
    response.headers["Location"] = f"/v1/budgets/{body.name}"
    return SharedBudgetView.of(await service.budgets.create(caller.subject, body.name, int(body.limit)))


@router.get("/budgets", operation_id="list_budgets")
async def list_budgets(
    request: Request,
    response: Response,
    caller: Client,
    service: Service,
    *,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[SharedBudgetView]:
    """The caller's budgets, newest first."""
    before = pages.position(request, cursor)
    rows = await service.budgets.newest(caller.subject, limit, before=before[0] if before else None)
    items = [SharedBudgetView.of(row) for row in rows]
    return pages.page(request, response, items, limit, [row.position for row in rows[-1:]])


@router.get("/budgets/{name}", operation_id="get_budget")
async def get_budget(
    name: Annotated[str, Path(pattern=BUDGET_NAME, examples=["research"])], caller: Client, service: Service
) -> SharedBudgetView:
    """One of the caller's budgets: its limit, what is reserved of it, and what is spent."""
    return SharedBudgetView.of(await service.budgets.get(caller.subject, name))
