"""`mesh deploy`: from an SDL file to something that answers, and back."""

from pathlib import Path
from typing import Annotated

import typer
from mesh_client import Mesh
from mesh_client.deployer import Bids, Deployment
from rich.console import Console

from mesh_cli.remote.way import ADMIN_KEY, AsJson, FirstPort, KeyFile, ask, show, table, tell

File = Annotated[Path, typer.Argument(help="An SDL file.", exists=True, dir_okay=False)]
Provider = Annotated[str, typer.Option(help="Which market: auto, simulated, docker, akash-chain.")]
Within = Annotated[float, typer.Option(help="Seconds to wait until it runs.", min=1)]


def deploy(
    file: File,
    *,
    provider: Provider = "auto",
    within: Within = 600,
    first_port: FirstPort = 8370,
    key_file: KeyFile = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Deploy an SDL file and show every bid with its reason; exit 1 unless it runs."""
    console = Console(quiet=as_json)

    async def work(mesh: Mesh) -> tuple[Deployment, Bids]:
        begun = await mesh.deployer.deploy(file.read_text(), provider=provider)
        with console.status("waiting for bids"):
            settled = await mesh.deployer.settled(begun.id, within_s=within)
        return settled, await mesh.deployer.bids(begun.id)

    deployment, bids = ask(work, first_port, key_file)
    if as_json:
        tell({"deployment": deployment, "bids": bids})
    else:
        _show(console, deployment, bids)
    raise typer.Exit(deployment.status != "active")


def undeploy(
    deployment_id: Annotated[str, typer.Argument(help="What `mesh deploy` printed.")],
    first_port: FirstPort = 8370,
    key_file: KeyFile = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Close a deployment and say what came back of its deposit."""
    closed = ask(lambda mesh: mesh.deployer.close(deployment_id), first_port, key_file)
    if as_json:
        tell(closed)
        return
    typer.echo(f"{closed.status}, {closed.refunded_uact} of {closed.deposit_uact} uACT came back")


def _show(console: Console, deployment: Deployment, bids: Bids) -> None:
    table(
        console,
        "provider",
        "uACT a block",
        "USD a month",
        "reputation",
        "why",
        rows=[
            *(
                (it.provider, it.uact_per_block, it.usd_per_month, it.reputation, it.reason)
                for it in bids.items
            ),
            *((it.provider, "", "", "", it.reason) for it in bids.declined),
        ],
    )
    show(console, f"deployment {deployment.id} is {deployment.status}. {deployment.explanation}")
    show(console, deployment.provider_reason, *deployment.uris)
