"""No secret goes into an SDL: not under a telling name, not in a known form, not on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.secrecy import exposed, in_env, in_words
from mesh_deployer.domain.workload import Workload
from mesh_deployer.schemas.sdl import HELLO

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Tenant

# Forms of real credentials, put together so that no scanner takes this file for a leak.
FORMS = {
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + "a1B2" * 9,
    "GitLab": "glpat-" + "a1B2c3D4e5F6g7H8i9J0",
    "OpenAI": "sk-proj-" + "a1B2" * 10,
    "Anthropic": "sk-ant-api03-" + "a1B2" * 10,
    "Stripe": "sk_live_" + "a1B2" * 6,
    "Slack": "xoxb-" + "1234567890-abcdef",
    "Google": "AIza" + "a1B2c3" * 6,
    "npm": "npm_" + "a1B2" * 9,
    "JWT": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + "c2ln",
    "PEM": "-----BEGIN EC PRIVATE " + "KEY-----\nMHQ=\n",
    "URL": "postgres://mesh:" + "hunter2@db.example/mesh",
    "URL without a user": "redis://:" + "hunter2@cache.example",
}


@pytest.mark.parametrize(
    "name",
    [
        "MODEL_API_KEY",
        "model_api_key",
        "GITHUB_TOKEN",
        "CLIENT_SECRET",
        "POSTGRES_PASSWORD",
        "PGPASSWORD",
        "DB_PASS",
        "MYSQL_PWD",
        "REDIS_AUTH",
        "API_KEY_PROD",
        "SECRET_MESSAGE",
        "AWS_CREDENTIALS",
        "apiKey",
        "wallet.private-key",
    ],
)
def test_a_value_under_a_telling_name_is_a_secret(name: str):
    assert in_env([f"{name}=hunter2"]) == {0: name}
    assert in_words([f"--{name}=hunter2"], "args") == {0: f"--{name}"}


@pytest.mark.parametrize(
    "entry",
    [
        "KEYBOARD=qwerty",
        "MONKEY_ISLAND=2",
        "MAX_TOKENS=4096",
        "TOKENIZERS_PARALLELISM=false",
        "SSH_PUBKEY=ssh-ed25519 AAAA",
        "PUBLIC_KEY=abc",
        "TOKEN_URL=https://login.example/token",
        "API_KEY_FILE=key.txt",
        "KEY_COUNT=5",
        "TLS_KEY=/etc/tls/key.pem",
        "TLS_KEY=/key.pem",
        "PWD=/srv/app",
        "PASSWORD=",
        "REQUIRE_PASSWORD=true",
        "MODEL_API_KEY=gateway://model",
        "DB_PASSWORD=$(DB_PASSWORD)",
        "AUTH_MODE=oidc",
        "HOMEPAGE=https://example.com/a:b@c",
        "DATABASE_URL=postgres://mesh@db.example/mesh",
        "DATABASE_URL=postgres://mesh:${DB_PASSWORD}@db.example/mesh",
        "GREETING=sk-1",
    ],
)
def test_what_only_sounds_like_a_secret_is_none(entry: str):
    assert in_env([entry]) == {}


@pytest.mark.parametrize(
    "entry",
    [
        "MODEL_API_KEY=gateway://",
        "MODEL_API_KEY=gateway://model sk-1",
        "MODEL_API_KEY=https://gateway/model",
        "PASSWORD=$ecret",
    ],
)
def test_what_only_looks_like_a_reference_is_a_secret(entry: str):
    assert in_env([entry]) == {0: entry.partition("=")[0]}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_known_form_is_a_secret_under_any_name_and_is_never_repeated(form: str):
    assert in_env(["A=b", f"GREETING={form}"]) == {1: "GREETING"}
    assert all(form not in name for name in in_env([form]).values())
    assert in_words(["sh", "-c", f"export X='{form}'; run"], "command") == {2: "command[2]"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--password", "hunter2"], {0: "--password"}),
        (["-token", "hunter2"], {0: "-token"}),
        (["--password", "$DB_PASSWORD"], {}),
        (["--password", "--verbose"], {}),
        (["--password"], {}),
        (["--password-file", "/run/secrets/db"], {}),
        (["password", "hunter2"], {}),
        (["python", "-c", "print(sorted(words, key=len))"], {}),
    ],
)
def test_an_option_on_a_command_line_holds_a_secret_when_a_value_follows(
    words: list[str], found: dict[int, str]
):
    assert in_words(words, "args") == found


def test_all_services_and_all_their_parts_are_searched():
    sdl = HELLO.replace('["sleep", "infinity"]', '["run", "--token=hunter2"]').replace(
        "    expose:", "    args: [-p, --password, hunter2]\n    env: [A_SECRET=hunter2]\n    expose:"
    )

    compilation = compile_sdl(sdl)

    assert exposed(Workload(compilation.groups)) == ["--password", "--token", "A_SECRET"]
    assert {(issue.path, issue.code) for issue in compilation.issues} == {
        ("services.web.command[1]", "secret-in-sdl"),
        ("services.web.args[1]", "secret-in-sdl"),
        ("services.web.env[0]", "secret-in-sdl"),
    }


@given(st.lists(st.text(max_size=50), max_size=5))
def test_any_words_can_be_searched(words: list[str]):
    found = {**in_env(words), **in_words(words, "args")}

    assert set(found) <= set(range(len(words)))


async def test_a_refused_secret_is_in_no_answer_and_in_no_row(tenant: Tenant, tmp_path: Path):
    canary = "hunter2-canary-4711"
    with_secret = HELLO.replace("    expose:", f"    env: [DB_PASSWORD={canary}]\n    expose:")
    config: dict[str, Any] = tenant.config | {"env": {"DB_PASSWORD": canary}}

    answers = [
        await tenant.ask({"sdl": with_secret}),
        await tenant.ask({"config": config}),
        await tenant.http.post("/v1/sdl", json=config),
        await tenant.http.post("/v1/sdl/validate", json={"sdl": with_secret}),
    ]
    acted = await tenant.act("DEPLOY_AGENT", {"sdl": with_secret}, key="k")

    assert [answer.status_code for answer in answers] == [409, 409, 409, 200]
    assert all(canary not in answer.text for answer in answers)
    assert canary not in str(acted)
    assert answers[0].json()["names"] == ["DB_PASSWORD"]
    assert acted["content"]["error"]["code"] == "secret-in-sdl"
    assert all(canary.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_generated_reference_to_the_gateway_is_what_the_manifest_shows():
    (group,) = compile_sdl(
        HELLO.replace("    expose:", "    env: [MODEL_API_KEY=gateway://model]\n    expose:")
    ).groups

    assert group.services[0].env == ("MODEL_API_KEY=gateway://model",)
    assert exposed(Workload((group,))) == []
