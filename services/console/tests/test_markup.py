"""Pages that a screen reader can read: labels for fields, words for pictures, one first heading."""

from collections import Counter
from html.parser import HTMLParser

import httpx
import pytest
from documents import Document
from visiting import Browser, Town

ID = "5f80baf4-0504-50d4-9992-17cb14d75fe6"
LISTS = ["/", "/agents", "/runs", "/approvals", "/events", "/gateway", "/deployments", "/workspace"]
DETAILS = [f"/agents/0x{'5e' * 32}", *(f"/{each}/{ID}" for each in ("runs", "deployments", "workspace"))]
OTHERS = [f"/gateway/audit/{ID}", "/gateway/verification", "/deployments/preview", "/nowhere"]
OFFLINE = ("registry", "coordinator", "deployer", "workspace-analyzer")
VOID = {"meta", "link", "input", "img", "br"}


class Outline(HTMLParser):
    """What is wrong with a page, and the tags that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags = Counter[str]()
        self.ids = Counter[str]()
        self.faults: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        self.tags[tag] += 1
        if name := fields.get("id"):
            self.ids[name] += 1
        if tag not in VOID:
            self._open.append(tag)
        self._judge(tag, fields)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1  # of an SVG

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def _judge(self, tag: str, fields: dict[str, str | None]) -> None:
        is_told = "aria-label" in fields or "label" in self._open
        match tag:
            case "input" if fields.get("type") != "hidden" and "hidden" not in fields and not is_told:
                self.faults.append(f"a field without a label: {fields.get('name')}")
            case "select" | "textarea" if not is_told:
                self.faults.append(f"a {tag} without a label")
            case "img" if "alt" not in fields:
                self.faults.append("a picture without words")
            case "svg" if "aria-label" not in fields:
                self.faults.append("a drawing without words")
            case "form" if fields.get("method") not in ("get", "post"):
                self.faults.append("a form without a method")
            case _:
                pass


@pytest.mark.parametrize("path", [*LISTS, *DETAILS, *OTHERS])
@pytest.mark.parametrize("is_bare", [False, True], ids=["full", "bare"])
async def test_a_page_is_well_formed_and_labelled(admin: Browser, town: Town, path: str, is_bare: bool):
    gateway = town.streets.apps["security-gateway"]
    for name in OFFLINE:
        town.streets.apps[name] = httpx.ASGITransport(Document(name, is_bare=is_bare).app)
    if path.startswith("/gateway"):
        town.streets.apps["security-gateway"] = httpx.ASGITransport(Document("security-gateway").app)
    answer = await admin.http.get(path)
    town.streets.apps["security-gateway"] = gateway

    outline = Outline()
    outline.feed(answer.text)

    assert answer.status_code in (200, 404)
    assert (outline.faults, outline._open) == ([], [])
    assert outline.tags["h1"] == outline.tags["main"] == outline.tags["title"] == 1
    assert [name for name, count in outline.ids.items() if count > 1] == []


async def test_every_form_that_changes_something_has_the_session_s_token(admin: Browser, town: Town):
    for name in OFFLINE:
        town.streets.apps[name] = httpx.ASGITransport(Document(name).app)

    for path in ("/approvals", f"/runs/{ID}", "/workspace", "/deployments/preview"):
        page = await admin.open(path)
        assert page.count('name="csrf"') == page.count('method="post"'), path
