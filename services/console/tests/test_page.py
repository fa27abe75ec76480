"""What every page stands on: templates that trust nothing, and one trouble that spoils no other answer."""

import pytest
from jinja2 import UndefinedError
from mesh_console.api.page import attempt, environment, segment
from mesh_console.errors import Forged, Refused, SignedOut, Unreachable


def rendered(text: str, **values: object) -> str:
    return environment().from_string(text).render(**values)


def test_values_are_escaped_between_tags_and_in_fields():
    assert (
        rendered('<a b="{{ x }}">{{ x }}</a>', x="\"'<&")
        == '<a b="&#34;&#39;&lt;&amp;">&#34;&#39;&lt;&amp;</a>'
    )


def test_json_for_a_script_is_escaped_for_its_attribute():
    assert rendered("{{ x | compact }}", x={"a": "\"'>"}) == "{&#34;a&#34;:&#34;\\&#34;&#39;&gt;&#34;}"


def test_what_a_service_does_not_say_is_no_empty_text():
    with pytest.raises(UndefinedError):
        rendered("{{ x.y }}", x={})


def test_a_step_of_a_path_is_one_step():
    assert segment("../a?b#c") == "..%2Fa%3Fb%23c"
    assert segment("..") == "%2E%2E"


async def outcome(error: Exception | None = None) -> str:
    if error:
        raise error
    return "found"


async def test_an_answer_is_its_value():
    assert (await attempt(outcome())).value == "found"


@pytest.mark.parametrize("error", [Unreachable("registry"), Refused("registry", 403, {}), Forged("no")])
async def test_a_trouble_is_kept_for_the_page(error: Exception):
    answer = await attempt(outcome(error))

    assert (answer.value, answer.trouble) == (None, error)


async def test_the_end_of_a_session_spoils_all_answers():
    with pytest.raises(SignedOut):
        await attempt(outcome(SignedOut("over")))


async def test_a_bug_is_no_trouble_of_a_service():
    with pytest.raises(ZeroDivisionError):
        await attempt(outcome(ZeroDivisionError()))
