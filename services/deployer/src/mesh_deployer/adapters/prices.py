"""The price lists that are kept in the package, newest first."""

from importlib.resources import files

from pydantic import TypeAdapter

from mesh_deployer.domain.cost import Snapshot

_SNAPSHOT = TypeAdapter(Snapshot)


def newest() -> Snapshot:
    """The snapshot with the latest date in its name."""
    folder = files("mesh_deployer") / "data"
    name = max(file.name for file in folder.iterdir() if file.name.startswith("prices-"))
    return _SNAPSHOT.validate_json((folder / name).read_bytes())
