"""What holds for every compose file, whatever is in it."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain import secrecy
from mesh_deployer.domain.compose import Assumed, convert
from mesh_deployer.domain.issues import Severity
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
secrets = st.sampled_from(["sk-live-0123456789abcdef0", "hunter2", "postgres://u:hunter2@db/x", "${SECRET}"])
variables = st.dictionaries(
    st.sampled_from(["PORT", "API_TOKEN", "DB_PASSWORD", "DATABASE_URL", "GREETING", "_X"]),
    texts | secrets | st.integers(0, 99) | st.booleans() | st.none(),
    max_size=4,
)
sizes = st.sampled_from(["64m", "1G", "1.5gb", "128MiB", 2**27, "lots", "1k"])
services = st.fixed_dictionaries(
    {"image": st.sampled_from(["nginx:1.27", "ghcr.io/a/b@sha256:" + "0" * 64, "Not An Image", "${IMAGE}"])},
    optional={
        "ports": st.lists(st.sampled_from(["80", "80:8080", "53:53/udp", "127.0.0.1:1:1", "x"]), max_size=3),
        "expose": st.lists(st.sampled_from(["90", 91, "92-94"]), max_size=2),
        "environment": variables,
        "command": st.lists(texts, max_size=3) | texts,
        "entrypoint": st.lists(texts, max_size=2),
        "volumes": st.lists(st.sampled_from(["data:/data", "./x:/x", "/y", "gone:/z"]), max_size=2),
        "tmpfs": st.sampled_from(["/run", ["/run:size=1m", "/var"]]),
        "cpus": st.sampled_from([0.5, "2", ".25", "0.001", "many"]),
        "mem_limit": sizes,
        "depends_on": st.just(["db"]),
        "deploy": st.fixed_dictionaries({"replicas": st.integers(0, 3)}),
    },
)
files = st.fixed_dictionaries(
    {
        "services": st.dictionaries(st.sampled_from(["web", "My_db", "db", "2048"]), services, max_size=3),
        "volumes": st.just({"data": {}}),
    }
)


@given(files)
def test_what_is_converted_compiles_and_shows_no_secret_and_the_rest_says_why(file: dict[str, Any]):
    conversion = convert(yaml.safe_dump(file), Assumed())

    refusals = [issue for issue in conversion.issues if issue.severity is Severity.ERROR]
    assert (conversion.sdl is None) == bool(refusals)
    if conversion.sdl is not None:
        compiled = compile_sdl(conversion.sdl)
        assert compiled.version_hash == conversion.version_hash
        assert secrecy.exposed(Workload(compiled.groups)) == []
    assert all(issue.code and issue.message and issue.path for issue in conversion.issues)
    assert all(issue.hint for issue in conversion.issues if not issue.path.startswith("sdl."))
    assert "hunter2" not in repr(conversion)


@given(st.lists(texts, min_size=1, max_size=4), st.dictionaries(st.sampled_from("ABC"), texts, max_size=3))
def test_words_and_values_come_through_as_they_are(words: list[str], env: dict[str, str]):
    """Whatever YAML has a spelling for: line breaks, colons, numbers that are texts."""
    file = {
        "services": {
            "web": {
                "image": "nginx:1.27",
                "ports": ["80"],
                "command": [word.replace("$", "$$") for word in words],
                "environment": {name: value.replace("$", "$$") for name, value in env.items()},
            }
        }
    }

    conversion = convert(yaml.safe_dump(file), Assumed())

    if "secret-in-sdl" in {issue.code for issue in conversion.issues}:
        return
    ((service,),) = (group.services for group in compile_sdl(conversion.sdl or "").groups)
    assert (service.args, service.env or ()) == (
        tuple(words), tuple(f"{name}={env[name]}" for name in sorted(env))
    )  # fmt: skip


@given(st.text(max_size=200))
def test_no_text_makes_it_crash(text: str):
    conversion = convert(text, Assumed())

    assert conversion.ok or conversion.issues
