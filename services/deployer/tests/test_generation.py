from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain import environment
from mesh_deployer.domain.generation import Config, generate_sdl
from mesh_deployer.domain.quantities import NotAQuantity, cpu_millis, price, size_bytes, spelled
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.errors import SecretInSdl
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
# a variable's name that says nothing of a secret, and any text that YAML has a spelling for
names = st.from_regex(r"[A-Z_]{1,8}_X", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
configs = st.builds(
    Config,
    name=st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True),
    image=st.sampled_from(["nginx", "ghcr.io/a/b:1", "x.y:5000/c@sha256:" + "0" * 64]),
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
    assert service.resources.cpu_millis == config.cpu_millis
    assert service.resources.memory_bytes == config.memory_bytes
    assert service.resources.storage_bytes == config.storage_bytes
    assert service.unit_price == config.max_price_uact_per_block
    assert [(e.port, e.external_port, e.is_global) for e in service.exposes] == [(config.port, 80, True)]


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("MODEL_API_KEY", "sk-1", True),
        ("model_api_key", "sk-1", True),
        ("GITHUB_TOKEN", "ghp_1", True),
        ("CLIENT_SECRET", "x", True),
        ("POSTGRES_PASSWORD", "secret", True),
        ("MODEL_API_KEY", "gateway://model", False),
        ("MODEL_API_KEY", "gateway://", True),
        ("MODEL_API_KEY", "gateway://model sk-1", True),
        ("MODEL_API_KEY", "", False),
        ("KEYBOARD", "qwerty", False),
        ("GREETING", "sk-1", False),
    ],
)
def test_a_secret_goes_into_an_sdl_only_as_a_reference(name: str, value: str, refused: bool):
    assert environment.is_exposed_secret(name, value) is refused


def test_a_config_with_a_secret_makes_no_sdl_and_the_refusal_does_not_repeat_it():
    model = ConfigModel(
        name="web",
        image="nginx",
        env={"A_TOKEN": "sk-live", "B": "b"},
        port=80,
        cpu_millis=100,
        memory_bytes=2**27,
        storage_bytes=2**29,
        max_price_uact_per_block="10",
    )

    with pytest.raises(SecretInSdl) as refusal:
        generate_sdl(model.config())

    assert refusal.value.members == {"names": ["A_TOKEN"]}
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
    given_image: dict[str, Any] = {
        "name": "web",
        "image": image,
        "port": 80,
        "cpu_millis": 100,
        "memory_bytes": 2**27,
        "storage_bytes": 2**29,
        "max_price_uact_per_block": "10",
    }
    with pytest.raises(ValueError, match="image"):
        ConfigModel.model_validate(given_image)


@pytest.mark.parametrize(
    ("text", "millis"),
    [("100m", 100), ("0.5", 500), ("1", 1000), (".25", 250), ("1.0015", 1001), ("0.0001", 0), ("2.", 2000)],
)
def test_cpu_is_counted_in_thousandths_and_the_rest_is_cut_off(text: str, millis: int):
    assert cpu_millis(text) == millis


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1k", 1000),
        ("1Ki", 1024),
        ("0.5Gi", 2**29),
        ("1.1Mi", 1153433),
        ("1M", 10**6),
        ("2Ti", 2**41),
        ("1Ei", 2**60),
    ],
)
def test_sizes_are_bytes(text: str, size: int):
    assert size_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1GB", "Write 1Gi."),
        ("512MB", "Write 512Mi."),
        ("1gi", "Write 1Gi."),
        ("2Mb", "Write 2Mi."),
        ("1TiB", "Write 1Ti."),
        ("1Kib", "Write 1Ki."),
        ("x", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("-1Mi", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("1e3Mi", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("9" * 400, "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
    ],
)
def test_a_size_that_akash_does_not_read_is_refused_with_a_hint(text: str, hint: str):
    with pytest.raises(NotAQuantity) as refusal:
        size_bytes(text)

    assert refusal.value.hint == hint


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1e3", "", "NaN", "Infinity", "1.0000000000000000001"])
def test_a_price_is_a_plain_positive_number(text: str):
    with pytest.raises(NotAQuantity):
        price(text)


@given(st.integers(1, 2**50))
def test_a_size_is_spelled_so_that_it_is_read_back(size: int):
    assert size_bytes(spelled(size)) == size
