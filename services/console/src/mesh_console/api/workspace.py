"""What a change in a workspace affects."""

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import Acting, Page, Signed, attempt, segment
from mesh_console.domain import workspace as picture
from mesh_console.errors import ConsoleError

router = APIRouter()


@router.get("/workspace")
async def analyses(page: Signed, cursor: str = "") -> Response:
    return await _listed(page, cursor)


@router.post("/workspace")
async def analyse(page: Acting) -> Response:
    asked = {name: page.form[name].strip() for name in ("workspace", "base", "head") if page.form.get(name)}
    try:
        made = await page.mesh.post("workspace-analyzer", "/v1/analyses", asked, key=page.form.get("key", ""))
    except ConsoleError as trouble:
        return await _listed(page, "", trouble)
    return page.go(f"/workspace/{segment(made['id'])}")


@router.get("/workspace/{analysis_id}")
async def analysis(page: Signed, analysis_id: str) -> Response:
    found = await page.mesh.get("workspace-analyzer", f"/v1/analyses/{segment(analysis_id)}")
    return page.show("analysis.html", analysis=found, graph=picture.graph(found))


async def _listed(page: Page, cursor: str, trouble: ConsoleError | None = None) -> Response:
    found = await attempt(page.mesh.get("workspace-analyzer", "/v1/analyses", cursor=cursor, limit=25))
    code = trouble.status if trouble else 200
    return page.show("workspace.html", code, found=found, trouble=trouble, form=page.form)
