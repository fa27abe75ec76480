"""What things cost."""

from decimal import Decimal

from fastapi import APIRouter, Request
from mesh_shared.web.route import MeshRoute

from mesh_deployer.api.deployments import Caller, deployer
from mesh_deployer.schemas.costs import ComparisonRequest, ComparisonView, PricesView

router = APIRouter(prefix="/v1", tags=["costs"], route_class=MeshRoute)


@router.get("/prices", operation_id="list_prices", summary="Get the price lists")
async def list_prices(request: Request) -> PricesView:
    """The dated prices of the clouds that Akash is compared with, each with its source."""
    return PricesView.of(deployer(request).snapshot)


@router.post("/cost-comparisons", operation_id="compare_costs", summary="Compare costs")
async def compare_costs(request: Request, body: ComparisonRequest, caller: Caller) -> ComparisonView:
    """Akash against each cloud: the same resources, and the service as delivered; every line of it."""
    comparison = deployer(request).compare(body.shape(), Decimal(body.uact_per_block))
    return ComparisonView.of(comparison, body.shape())
