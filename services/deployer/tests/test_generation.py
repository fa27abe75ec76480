from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.generation import Config, generate_sdl
from mesh_deployer.domain.images import is_reference
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.errors import SdlInvalid, SecretInSdl
from mesh_deployer.schemas.sdl import ConfigModel

WEB = Config(
    name="web",
    image="debian:trixie-slim",
    env={"GREETING": "hello"},
    port=8080,
    cpu_millis=500,
    memory_bytes=512 * 2**20,
    storage_bytes=2**30,
    replicas=2,
    max_price_uact_per_block=Decimal("100"),
)
PLAIN: dict[str, Any] = {
    "name": "web",
    "image": "nginx",
    "port": 80,
    "cpu_millis": 100,
    "memory_bytes": 2**27,
    "storage_bytes": 2**29,
    "max_price_uact_per_block": "10",
}
# a variable's name that says nothing of a secret, and any text that YAML has a spelling for
names = st.from_regex(r"[A-Z_]{1,8}_X", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
configs = st.builds(
    Config,
    name=st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True),
    image=st.sampled_from(["nginx", "ghcr.io/a/b:1", "x.y:5000/c@sha256:" + "0" * 64]),
    command=st.none() | st.lists(texts, max_size=3),
    args=st.none() | st.lists(texts, max_size=3),
    env=st.dictionaries(names, texts, max_size=4),
    port=st.integers(1, 65535),
    cpu_millis=st.integers(10, 384_000),
    memory_bytes=st.integers(2**20, 2 * 2**40),
    storage_bytes=st.integers(5 * 2**20, 32 * 2**40),
    replicas=st.integers(1, 20),
    max_price_uact_per_block=st.decimals(1, 9_999_999, places=6),
)


def test_the_sdl_is_the_one_that_was_promised():
    """Row F: version 2.0, service, image, env, the port as 80 globally, compute, dcloud, price, replicas."""
    assert generate_sdl(WEB) == (
        "version: '2.0'\n"
        "services:\n"
        "  web:\n"
        "    image: debian:trixie-slim\n"
        "    env:\n"
        "    - GREETING=hello\n"
        "    expose:\n"
        "    - port: 8080\n"
        "      as: 80\n"
        "      to:\n"
        "      - global: true\n"
        "profiles:\n"
        "  compute:\n"
        "    web:\n"
        "      resources:\n"
        "        cpu:\n"
        "          units: 500m\n"
        "        memory:\n"
        "          size: 512Mi\n"
        "        storage:\n"
        "          size: 1Gi\n"
        "  placement:\n"
        "    dcloud:\n"
        "      pricing:\n"
        "        web:\n"
        "          denom: uact\n"
        "          amount: '100'\n"
        "deployment:\n"
        "  web:\n"
        "    dcloud:\n"
        "      profile: web\n"
        "      count: 2\n"
    )


@given(configs)
def test_what_is_generated_compiles_to_what_was_asked_for(config: Config):
    compilation = compile_sdl(generate_sdl(config))

    assert compilation.issues == ()
    (group,) = compilation.groups
    (service,) = group.services
    assert (service.name, service.image, service.count) == (config.name, config.image, config.replicas)
    assert service.env == (tuple(f"{k}={v}" for k, v in config.env.items()) or None)
    assert (service.command or (), service.args or ()) == (
        tuple(config.command or ()),
        tuple(config.args or ()),
    )
    assert service.resources.cpu_millis == config.cpu_millis
    assert service.resources.memory_bytes == config.memory_bytes
    assert service.resources.storage_bytes == config.storage_bytes
    assert service.unit_price == config.max_price_uact_per_block
    assert [(e.port, e.external_port, e.is_global) for e in service.exposes] == [(config.port, 80, True)]


def test_a_config_with_a_secret_makes_no_sdl_and_the_refusal_does_not_repeat_it():
    secrets = {"env": {"A_TOKEN": "sk-live", "B": "b"}, "args": ["--api-key", "sk-live"]}
    model = ConfigModel.model_validate(PLAIN | secrets)

    with pytest.raises(SecretInSdl) as refusal:
        generate_sdl(model.config())

    assert refusal.value.members == {"names": ["--api-key", "A_TOKEN"]}
    assert "sk-live" not in refusal.value.detail


@pytest.mark.parametrize(
    "image",
    [
        "../etc/passwd",
        "/etc/passwd",
        "file:///a",
        "a b",
        "A/b",
        "nginx:",
        "nginx@sha256:00",
        "",
        "a//b",
        "-a",
    ],
)
def test_an_image_is_a_reference_and_never_a_path(image: str):
    assert not is_reference(image)
    with pytest.raises(ValueError, match="image"):
        ConfigModel.model_validate(PLAIN | {"image": image})


@pytest.mark.parametrize(
    "image",
    ["nginx", "nginx:1.27", "ghcr.io/a/b_c/d__e--f:v1.0", "localhost:5000/x", "a/b@sha256:" + "0" * 64],
)
def test_what_registries_call_an_image_is_one(image: str):
    assert is_reference(image)
    assert ConfigModel.model_validate(PLAIN | {"image": image}).image == image


def test_a_config_whose_sdl_would_be_too_long_makes_none():
    long = ConfigModel.model_validate(PLAIN | {"env": {f"A{i}": "x" * 4096 for i in range(20)}})

    with pytest.raises(SdlInvalid) as refusal:
        generate_sdl(long.config())

    assert "too-large" in str(refusal.value.members["issues"])
