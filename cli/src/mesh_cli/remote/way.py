"""Which mesh a command talks to, with whose key, and how it answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from mesh_client import Addresses, Mesh
from mesh_client.channel import Patience
from rich.console import Console
from rich.table import Table
from rich.text import Text
from stamina.instrumentation import set_on_retry_hooks

from mesh_cli.parts import ROOT, PartMissing
from mesh_cli.trouble import one_clear_line

T = TypeVar("T")
ADMIN_KEY = ROOT / ".mesh" / "dev" / "security-gateway" / "admin.key"

FirstPort = Annotated[
    int,
    typer.Option(
        help="The mesh's first port; its services have the next ones.",
        min=1,
        max=65_000,
        envvar="MESH_FIRST_PORT",
    ),
]
KeyFile = Annotated[
    Path, typer.Option(help="File with an API key of the gateway.", envvar="MESH_API_KEY_FILE")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def ask(
    work: Callable[[Mesh], Awaitable[T]], first_port: int, key_file: Path, *, patience: Patience | None = None
) -> T:
    """What came of it. A refusal, a silence and a missing key are one line and exit code 1."""

    async def connected() -> T:
        async with Mesh.connect(key_file, Addresses.row(first_port), patience=patience) as mesh:
            return await work(mesh)

    set_on_retry_hooks([])  # a repetition is no news to whoever waits for the answer
    with one_clear_line():
        if not key_file.is_file():
            raise PartMissing(f"No API key in {key_file}: start `mesh dev`, or name one by --key-file.")
        return asyncio.run(connected())


def tell(answer: Any) -> None:
    """Prints an answer as JSON; amounts are strings, as on the wire."""
    typer.echo(json.dumps(msgspec.to_builtins(answer), indent=2))


def table(console: Console, *columns: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Shows rows without a frame; what comes from strangers is shown as it is, not as markup."""
    shown = Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for row in rows:
        shown.add_row(*(Text(plain(cell)) for cell in row))
    console.print(shown)


def plain(text: object) -> str:
    """A text of a stranger without anything that a terminal would act on."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(text))


def show(console: Console, *texts: object) -> None:
    """Prints lines of strangers, each as it is."""
    for text in texts:
        console.print(Text(plain(text)), soft_wrap=True)
