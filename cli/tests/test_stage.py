"""What the chapters stand on: a refusal ends the demo, nothing is awaited in vain, what is said is shown."""

import json
from pathlib import Path

import httpx
import pytest
from mesh_cli.demo.stage import BrokenPromise
from mesh_cli.demo.story import recipes
from mesh_cli.embedded import EmbeddedMesh, Ports
from theatre import Theatre


async def test_a_refusal_ends_the_story_with_what_the_service_said(theatre: Theatre):
    with pytest.raises(BrokenPromise, match=r"GET /v1/nothing of registry answered 404: .*Nothing is here"):
        await theatre.stage.ask("GET", "registry", "/v1/nothing")


async def test_what_never_happens_is_not_waited_for_for_ever(theatre: Theatre):
    theatre.stage.patience_s = 0.1

    async def never() -> None:
        return None

    with pytest.raises(BrokenPromise, match=r"Waited 0\.1 s in vain: the sun rises"):
        await theatre.stage.until("the sun rises", never)


async def test_chapters_are_numbered_and_what_was_kept_is_marked(theatre: Theatre):
    theatre.stage.chapter("one", "First things")
    theatre.stage.say("the first promise", 12.3)
    theatre.stage.chapter("two", "Second things")

    assert "1. First things" in theatre.told
    assert "ok the first promise (12 ms)" in theatre.told
    assert "2. Second things" in theatre.told


async def test_what_is_shown_is_shown_as_it_is(theatre: Theatre):
    theatre.stage.show("[bold]not markup[/bold]\n  | second line")

    assert "      [bold]not markup[/bold]\n        | second line" in theatre.told


async def test_a_session_is_opened_once_for_all_calls_to_a_service(theatre: Theatre):
    theatre.answer("GET", "/v1/agents", {"items": []})

    await theatre.stage.ask("GET", "registry", "/v1/agents")
    await theatre.stage.ask("GET", "registry", "/v1/agents")

    assert theatre.asked.count(("POST", "/v1/sessions")) == 1


async def test_an_answer_that_is_no_json_comes_as_its_bytes(theatre: Theatre):
    theatre.answer("GET", "/v1/content/x", b"\x00\xff")

    answer = await theatre.stage.ask("GET", "registry", "/v1/content/x")

    assert answer.body == b"\x00\xff"
    assert isinstance(answer.headers, httpx.Headers)


def test_the_lines_to_paste_hold_no_secret(tmp_path: Path):
    mesh = EmbeddedMesh(tmp_path, Ports())
    mesh.admin_key_file.parent.mkdir()
    mesh.admin_key_file.write_text("mesh_secret")

    lines = recipes(mesh)

    assert len(lines) == 3
    assert "mesh_secret" not in json.dumps(lines)
    assert str(mesh.admin_key_file) in lines[1]


def test_the_lines_to_paste_name_a_folder_that_has_a_space_in_its_name():
    mesh = EmbeddedMesh(Path("/home/you/my mesh"), Ports())

    assert "$(cat '/home/you/my mesh/security-gateway/admin.key')" in recipes(mesh)[1]
