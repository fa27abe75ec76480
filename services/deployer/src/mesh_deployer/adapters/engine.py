"""A local Docker engine, through Docker's own SDK. Everything here blocks; call it in a thread.

The SDK is imported when the engine is first needed: a deployer that only simulates does not carry it.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

from mesh_shared.errors import Unavailable

from mesh_deployer.domain.workload import Group, Service
from mesh_deployer.errors import ImageNotPresent, ManifestRefused, NotOnDocker
from mesh_deployer.ports import Condition

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

OWNER, ORDER, SERVICE = "mesh.deployer.owner", "mesh.deployer.order", "mesh.deployer.service"
TIMEOUT_S = 20
MAX_PROCESSES = 256
LOOPBACK = "127.0.0.1"
SETTLED = timedelta(seconds=0.5)
"""A container that runs for this long did not end at once."""
_UNIX = "unix://"

Filters = dict[str, str | list[str] | bool]


@dataclass(frozen=True, slots=True)
class _State:
    """What the engine says of one container."""

    service: str
    found: dict[str, Any]

    @classmethod
    def of(cls, container: "Container") -> Self:
        labels = cast("dict[str, str]", container.labels)
        return cls(labels[SERVICE], container.attrs["State"])

    @property
    def has_settled(self) -> bool:
        age = datetime.now(UTC) - datetime.fromisoformat(self.found["StartedAt"])
        return self.found["Status"] == "running" and age >= SETTLED


@dataclass(slots=True)
class Engine:
    """The containers and networks with our `owner` label; nothing else on the engine is touched."""

    url: str
    owner: str
    _connected: "DockerClient | None" = field(default=None)

    def check(self, group: Group) -> None:
        """Raises `ImageNotPresent` or `NotOnDocker` when it cannot run `group`, or `Unavailable`."""
        with self._client() as docker:
            machine: dict[str, Any] = docker.info()
            missing = [image for image in group.images if not _has_image(docker, image)]
        if missing:
            raise ImageNotPresent(missing)
        for service in group.services:
            _check_fits(service, machine)

    def run(self, order_id: UUID, group: Group) -> None:
        """Starts what is not there yet. Raises `ManifestRefused`, `Unavailable`."""
        with self._client() as docker, _refusals():
            inner = self._network(docker, order_id, "inner")
            self._network(docker, order_id, "edge")
            for service in group.services:
                for number in range(1, service.count + 1):
                    self._start(docker, order_id, service, number, inner)

    def condition(self, order_id: UUID) -> Condition:
        """How the containers of an order are. Raises `Unavailable`."""
        with self._client() as docker:
            containers = self._containers(docker, order_id)
            states = [_State.of(container) for container in containers]
            uris = tuple(uri for container in containers for uri in _uris(container))
        for state in states:
            if state.found["Status"] in ("exited", "dead"):
                return Condition("exited", f"{state.service} ended with exit code {state.found['ExitCode']}.")
        if not states or not all(state.has_settled for state in states):
            return Condition("starting", "The containers are starting.")
        return Condition("running", f"{len(states)} container(s) run on the local Docker engine.", uris)

    def remove(self, order_id: UUID) -> None:
        """Removes every container and network of an order, running or not. Raises `Unavailable`."""
        with self._client() as docker:
            networks = docker.networks.list(filters=self._labels(order_id))
            for thing in (*self._containers(docker, order_id), *networks):
                _remove(thing)

    def held(self) -> Sequence[UUID]:
        """The orders of which something is on the engine. Raises `Unavailable`."""
        with self._client() as docker:
            mine: Filters = {"label": f"{OWNER}={self.owner}"}
            things = [*docker.containers.list(all=True, filters=mine), *docker.networks.list(filters=mine)]
            labels = [thing.attrs.get("Labels") or thing.attrs["Config"]["Labels"] for thing in things]
        return [UUID(order) for order in {found[ORDER] for found in labels}]

    @contextmanager
    def _client(self) -> Generator["DockerClient", None, None]:
        """The engine; its failures become ours."""
        if self.url.startswith(_UNIX) and not Path(self.url.removeprefix(_UNIX)).exists():
            raise Unavailable("docker")
        from docker import DockerClient  # noqa: PLC0415 - see the module's docstring
        from docker.errors import DockerException  # noqa: PLC0415
        from requests.exceptions import RequestException  # noqa: PLC0415

        try:
            self._connected = self._connected or DockerClient(base_url=self.url, timeout=TIMEOUT_S)
            yield self._connected
        except (DockerException, RequestException):
            self._connected = None
            raise Unavailable("docker") from None

    def _labels(self, order_id: UUID) -> Filters:
        return {"label": [f"{OWNER}={self.owner}", f"{ORDER}={order_id}"]}

    def _containers(self, docker: "DockerClient", order_id: UUID) -> list["Container"]:
        return docker.containers.list(all=True, filters=self._labels(order_id), ignore_removed=True)

    def _network(self, docker: "DockerClient", order_id: UUID, kind: str) -> "Network":
        """`inner` joins the services and leads nowhere; `edge` lets published ports in and nothing out."""
        name = _network_name(order_id, kind)
        if known := docker.networks.list(names=[name], filters=self._labels(order_id)):
            return known[0]
        return docker.networks.create(
            name,
            driver="bridge",
            internal=kind == "inner",
            options={"com.docker.network.bridge.enable_ip_masquerade": "false"} if kind == "edge" else {},
            labels={OWNER: self.owner, ORDER: str(order_id)},
        )

    def _start(
        self, docker: "DockerClient", order_id: UUID, service: Service, number: int, inner: "Network"
    ) -> None:
        name = f"mesh-{order_id.hex}-{service.name}-{number}"
        labels = {OWNER: self.owner, ORDER: str(order_id), SERVICE: service.name}
        first = _network_name(order_id, "edge" if service.is_public else "inner")
        container = _created(docker, name, service, labels, first)
        if inner.name not in container.attrs["NetworkSettings"]["Networks"]:
            inner.connect(container, aliases=[service.name])
        if container.status == "created":
            container.start()


def _network_name(order_id: UUID, kind: str) -> str:
    return f"mesh-{order_id.hex}-{kind}"


@contextmanager
def _refusals() -> Generator[None, None, None]:
    """Turns what the engine will never do, however often it is asked, into `ManifestRefused`."""
    from docker.errors import APIError  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except APIError as error:
        if not error.is_client_error():
            raise
        raise ManifestRefused(f"The Docker engine refused: {str(error.explanation)[:300]}") from None


def _remove(thing: "Container | Network") -> None:
    """Removes a container, running or not, or a network, unless somebody else just did."""
    from docker.errors import NotFound  # noqa: PLC0415 - see the module's docstring
    from docker.models.containers import Container  # noqa: PLC0415

    try:
        if isinstance(thing, Container):
            thing.remove(force=True, v=True)
        else:
            thing.remove()
    except NotFound:
        pass


def _created(
    docker: "DockerClient", name: str, service: Service, labels: dict[str, str], network: str
) -> "Container":
    """The container with that name, made when there is none."""
    from docker.errors import APIError  # noqa: PLC0415 - see the module's docstring
    from docker.types import LogConfig  # noqa: PLC0415

    aliases = docker.api.create_endpoint_config(aliases=[service.name])
    try:
        container = docker.containers.create(
            service.image,
            command=None if service.args is None else list(service.args),
            entrypoint=None if service.command is None else list(service.command),
            environment=list(service.env or ()),
            name=name,
            labels=labels,
            network=network,
            networking_config={network: aliases},
            ports=_ports(service),
            nano_cpus=service.resources.cpu_millis * 10**6,
            mem_limit=service.resources.memory_bytes,
            memswap_limit=service.resources.memory_bytes,
            pids_limit=MAX_PROCESSES,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m", "max-file": "1"}),
        )
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise
        return docker.containers.get(name)
    container.reload()
    return container


def _ports(service: Service) -> dict[str, tuple[str, int]]:
    """Global ports only, each on loopback at a port that the engine chooses."""
    return {f"{e.port}/{e.protocol.lower()}": (LOOPBACK, 0) for e in service.exposes if e.is_global}


def _uris(container: "Container") -> Iterator[str]:
    for port, bindings in sorted((container.ports or {}).items()):
        scheme = "http" if port.endswith("/tcp") else "udp"
        for binding in bindings or ():
            yield f"{scheme}://{LOOPBACK}:{binding['HostPort']}"


def _has_image(docker: "DockerClient", image: str) -> bool:
    from docker.errors import ImageNotFound  # noqa: PLC0415 - see the module's docstring

    try:
        docker.images.get(image)
    except ImageNotFound:
        return False
    return True


def _check_fits(service: Service, machine: dict[str, Any]) -> None:
    if service.mounts:
        raise NotOnDocker("The Docker backend mounts no volumes.")
    if service.resources.cpu_millis > machine["NCPU"] * 1000:
        raise NotOnDocker(
            f"A replica of {service.name} asks for more CPUs than the machine's {machine['NCPU']}."
        )
    if service.resources.memory_bytes > machine["MemTotal"]:
        raise NotOnDocker(f"A replica of {service.name} asks for more memory than the machine has.")
