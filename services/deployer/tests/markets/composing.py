"""A small compose file, and what becomes of it."""

from decimal import Decimal

from mesh_deployer.domain.compose import Assumed, Conversion, convert
from mesh_deployer.domain.issues import Severity
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Service

PLAIN = Assumed(price=Decimal(100))
SHARED = "/dev/shm"  # noqa: S108 - a path in the container
WEB = """\
services:
  web:
    image: nginx:1.27
    ports: ["80:8080"]
    deploy: {resources: {limits: {cpus: "0.5", memory: 256M}}}
"""


def with_web(lines: str, top: str = "") -> str:
    """The smallest complete file with more lines in its service."""
    inner = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"{WEB}{inner}{top}"


def served(text: str, assumed: Assumed = PLAIN) -> Service:
    """The one service that comes of `text`."""
    conversion = convert(text, assumed)
    assert conversion.sdl is not None, conversion.issues
    ((service,),) = (group.services for group in compile_sdl(conversion.sdl).groups)
    return service


def found(text: str, assumed: Assumed = PLAIN) -> dict[str, str]:
    return {issue.path: issue.code for issue in convert(text, assumed).issues}


def errors(conversion: Conversion) -> dict[str, str]:
    return {i.path: i.code for i in conversion.issues if i.severity is Severity.ERROR}


def faults(conversion: Conversion) -> set[tuple[str, str]]:
    return {(i.path, i.code) for i in conversion.issues if i.severity is Severity.ERROR}
