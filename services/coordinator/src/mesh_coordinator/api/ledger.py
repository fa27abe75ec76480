"""The ledger of small amounts, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute

from mesh_coordinator.api.runs import Client, Service
from mesh_coordinator.schemas.ledger import ACCOUNT, LedgerAccountView, LedgerTransferView, PayoutView

router = APIRouter(prefix="/v1/ledger", tags=["ledger"], route_class=MeshRoute)


@router.get("/accounts", operation_id="list_ledger_accounts")
async def list_ledger_accounts(
    request: Request,
    response: Response,
    caller: Client,
    service: Service,
    *,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[LedgerAccountView]:
    """Every account by name. All balances together are 0: the database takes nothing else."""
    after = pages.position(request, cursor)
    rows = await service.ledger.accounts(limit, after=after[0] if after else "")
    items = [LedgerAccountView.of(row) for row in rows]
    return pages.page(request, response, items, limit, [row.name for row in rows[-1:]])


@router.get("/transfers", operation_id="list_ledger_transfers")
async def list_ledger_transfers(
    request: Request,
    response: Response,
    caller: Client,
    service: Service,
    *,
    account: Annotated[
        str | None, Query(pattern=ACCOUNT, description="Only of this account.", examples=["held"])
    ] = None,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[LedgerTransferView]:
    """What moved between the accounts, newest first."""
    before = pages.position(request, cursor)
    rows = await service.ledger.transfers(limit, before=before[0] if before else None, account=account)
    items = [LedgerTransferView.of(row) for row in rows]
    return pages.page(request, response, items, limit, [row.position for row in rows[-1:]])


@router.get("/payouts", operation_id="list_ledger_payouts")
async def list_ledger_payouts(
    request: Request,
    response: Response,
    caller: Client,
    service: Service,
    *,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[PayoutView]:
    """What was, or is to be, paid out on the chain, newest first."""
    before = pages.position(request, cursor)
    rows = await service.ledger.payouts(limit, before=before[0] if before else None)
    items = [PayoutView.of(row) for row in rows]
    return pages.page(request, response, items, limit, [row.position for row in rows[-1:]])
