"""A stage for the demo on which services answer what a test tells them to."""

from dataclasses import dataclass, field
from typing import Any

from mesh_cli.demo.stage import Stage
from mesh_cli.embedded import EmbeddedMesh

Answers = dict[tuple[str, str], Any]


@dataclass(slots=True)
class OneServer(EmbeddedMesh):
    """A mesh whose services are all at one address."""

    address: str = ""

    def url(self, service: str) -> str:
        return self.address


@dataclass
class Theatre:
    """A stage, and what the services answer on it."""

    stage: Stage
    answers: Answers
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def answer(self, method: str, path: str, body: Any) -> None:
        self.answers[method, path] = body

    @property
    def told(self) -> str:
        return self.stage.console.export_text(clear=False)
