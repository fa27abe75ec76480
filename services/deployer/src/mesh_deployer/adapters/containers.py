"""What a deployment is on a Docker engine: containers and networks, found again by their labels."""

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Any, cast
from uuid import UUID, uuid5

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import LogConfig
from mesh_shared.errors import Unavailable
from requests.exceptions import RequestException

from mesh_deployer.adapters import transcripts
from mesh_deployer.adapters.transcripts import Reading, Replica
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.manifest import version_hash
from mesh_deployer.domain.workload import Group, Service, Workload
from mesh_deployer.errors import ImageNotPresent, ManifestRefused, NotOnDocker, OrderNotOpen, ServiceUnknown
from mesh_deployer.ports import Condition, Output

# The SDK trips over an answer that Docker would not give, such as an error without a message.
FAILURES = (DockerException, RequestException, LookupError, ValueError)
OWNER, ORDER, PLACEMENT, SERVICE, HTTP, VERSION = (
    f"mesh.deployer.{name}" for name in ("owner", "order", "placement", "service", "http", "version")
)
TIMEOUT_S = 20
MAX_CONTAINERS = 20
MAX_PROCESSES = 256
LEAST_MEMORY = 6 * 2**20
"""Docker starts nothing with less."""
LOOPBACK = "127.0.0.1"
SETTLED = timedelta(seconds=0.5)
"""A container that runs for this long did not end at once."""
MAX_RESTARTS = 5
"""After so many, two seconds after the first, what ends and ends is not waited for any more."""
NO_ADDRESSES = "address pool"
"""Of what an engine says that has no addresses for another network; 404 and 400 are its codes for it."""
_LOG = LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m", "max-file": "1"})

Filters = dict[str, str | list[str] | bool]


def connect(url: str) -> DockerClient:
    """A client of the engine at `url`. Raises one of `FAILURES`."""
    return DockerClient(base_url=url, timeout=TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers and networks with our `owner` label; nothing else on the engine is touched.

    Every method raises one of `FAILURES` when the engine does not do what it is asked.
    """

    docker: DockerClient
    owner: str
    turn: Lock
    """Held while an order is changed: an engine asked twice makes two networks of one name."""

    def check(self, workload: Workload) -> None:
        """Raises `ImageNotPresent` or `NotOnDocker` when `workload` cannot run here."""
        machine: dict[str, Any] = self.docker.info()
        if missing := [image for image in workload.images if not self._has_image(image)]:
            raise ImageNotPresent(missing)
        if workload.extras:
            raise NotOnDocker(f"The Docker backend does not run {', '.join(workload.extras)}.")
        if fault := _misfit(workload, machine["NCPU"], machine["MemTotal"]):
            raise NotOnDocker(fault)

    def run(self, order_id: UUID, workload: Workload) -> None:
        """Starts what is not there yet; what is of another version goes first. Raises `ManifestRefused`."""
        version = version_hash(workload.groups)
        with _held(self.turn), _refusals():
            for old in self._containers(order_id):
                if _labels(old)[VERSION] != version:
                    _remove(old)
            for gseq, group in workload.numbered:
                self._run_group(Spot(order_id, gseq), group, version)

    def _run_group(self, spot: "Spot", group: Group, version: str) -> None:
        """Placements do not see each other: they are other providers' on a market."""
        edge = self._network(spot, "edge")
        inner = self._network(spot, "inner") if len(group.services) > 1 else None
        for service in group.services:
            for number in range(1, service.count + 1):
                network = inner if inner and not service.is_public else edge
                created = self._created(spot, service, number, network, version)
                _start(created, service, inner)

    def condition(self, order_id: UUID) -> Condition:
        """How the containers of an order are."""
        containers = self._containers(order_id)
        for container in containers:
            if ending := _ending(container):
                return Condition("exited", ending)
        if not containers:
            return Condition("exited", "Its containers are gone.")
        if not all(_has_settled(container) for container in containers):
            return Condition("starting", "The containers are starting.")
        uris = tuple(uri for container in containers for uri in _uris(container))
        return Condition("running", f"{len(containers)} container(s) run on the local Docker engine.", uris)

    def observed(self, order_id: UUID) -> Sequence[Observed]:
        """What the containers of an order are, by service; those that do not run are no replicas."""
        by_service: dict[tuple[int, str], list[Container]] = {}
        for replica in self._replicas(order_id):
            by_service.setdefault((replica.gseq, replica.service), []).append(replica.container)
        return [_observed(gseq, name, several) for (gseq, name), several in by_service.items()]

    def remove(self, order_id: UUID, kept: Collection[int] = ()) -> None:
        """Removes every container and network of an order, running or not, but those of `kept` placements."""
        with _held(self.turn):
            networks = self.docker.networks.list(filters=self._mine(order_id))
            for thing in (*self._containers(order_id), *networks):
                labels = _labels(thing) if isinstance(thing, Container) else thing.attrs["Labels"]
                if int(labels[PLACEMENT]) not in kept:
                    _remove(thing)

    def held(self) -> Sequence[UUID]:
        """The orders of which something is on the engine."""
        containers = self.docker.containers.list(all=True, filters=self._mine(), ignore_removed=True)
        networks = self.docker.networks.list(filters=self._mine())
        labels = [*map(_labels, containers), *(network.attrs["Labels"] for network in networks)]
        return [UUID(order) for order in {found[ORDER] for found in labels}]

    def read(self, order_id: UUID, tail: int) -> Reading:
        """The last `tail` lines of every container of an order."""
        return transcripts.read(self._replicas(order_id), tail)

    def read_on(self, order_id: UUID, after: Reading) -> Reading:
        """What was written since."""
        return transcripts.read_on(self._replicas(order_id), after)

    def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        """Runs a command in the first container of `service`. Raises `OrderNotOpen`, `ServiceUnknown`."""
        replicas = self._replicas(order_id)
        if not replicas:
            raise OrderNotOpen
        first = next((replica for replica in replicas if replica.service == service), None)
        if first is None:
            raise ServiceUnknown(service)
        return transcripts.run(first.container, command)

    def _replicas(self, order_id: UUID) -> list[Replica]:
        """By placement and name."""
        found = [
            Replica(int(_labels(c)[PLACEMENT]), _labels(c)[SERVICE], c) for c in self._containers(order_id)
        ]
        return sorted(found, key=lambda replica: (replica.gseq, replica.container.name or ""))

    def _mine(self, order_id: UUID | None = None) -> Filters:
        order = [] if order_id is None else [f"{ORDER}={order_id}"]
        return {"label": [f"{OWNER}={self.owner}", *order]}

    def _name(self, order_id: UUID) -> str:
        """Of nobody else on the engine, whose orders may have the same ids."""
        return f"mesh-{uuid5(order_id, self.owner).hex}"

    def _containers(self, order_id: UUID) -> list[Container]:
        return self.docker.containers.list(all=True, filters=self._mine(order_id), ignore_removed=True)

    def _has_image(self, image: str) -> bool:
        try:
            self.docker.images.get(image)
        except ImageNotFound:
            return False
        return True

    def _network(self, spot: "Spot", kind: str) -> Network:
        """`edge` lets published ports in and nothing out; `inner` joins the services and leads nowhere."""
        name = f"{self._name(spot.order_id)}-{spot.gseq}-{kind}"
        if known := self.docker.networks.list(names=[name]):
            return known[0]
        return self.docker.networks.create(
            name,
            driver="bridge",
            internal=kind == "inner",
            options={"com.docker.network.bridge.enable_ip_masquerade": "false"} if kind == "edge" else {},
            labels=self._labels_at(spot),
        )

    def _labels_at(self, spot: "Spot") -> dict[str, str]:
        return {OWNER: self.owner, ORDER: str(spot.order_id), PLACEMENT: str(spot.gseq)}

    def _created(
        self, spot: "Spot", service: Service, number: int, network: Network, version: str
    ) -> Container:
        """The container of one replica, made when there is none."""
        name = f"{self._name(spot.order_id)}-{spot.gseq}-{service.name}-{number}"
        try:
            container = self.docker.containers.create(
                service.image,
                name=name,
                labels=_labels_for(service) | self._labels_at(spot) | {VERSION: version},
                **_process(service),
                **_confined(service),
                **self._reachable(service, network),
            )
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return self.docker.containers.get(name)
        container.reload()
        return container

    def _reachable(self, service: Service, network: Network) -> dict[str, Any]:
        """By its name for the others, and on loopback at ports that the engine chooses for the world."""
        aliases = self.docker.api.create_endpoint_config(aliases=[service.name])
        ports = {f"{e.port}/{e.protocol.lower()}": (LOOPBACK, 0) for e in service.exposes if e.is_global}
        return {"network": network.name, "networking_config": {network.name: aliases}, "ports": ports}


@dataclass(frozen=True, slots=True)
class Spot:
    """A placement of an order."""

    order_id: UUID
    gseq: int


def _observed(gseq: int, service: str, containers: Sequence[Container]) -> Observed:
    """The replicas of a service; of several that are not alike, the first one's limits and ports."""
    limits: dict[str, Any] = containers[0].attrs["HostConfig"]
    images = dict.fromkeys(container.attrs["Config"]["Image"] for container in containers)
    return Observed(
        gseq=gseq,
        service=service,
        image=" and ".join(images),
        replicas=sum(container.status == "running" for container in containers),
        cpu_millis=limits["NanoCpus"] // 10**6,
        memory_bytes=limits["Memory"],
        ports=tuple(sorted(int(port.partition("/")[0]) for port in limits["PortBindings"] or ())),
    )


def _process(service: Service) -> dict[str, Any]:
    return {
        "command": None if service.args is None else list(service.args),
        "entrypoint": None if service.command is None else list(service.command),
        "environment": list(service.env or ()),
    }


def _confined(service: Service) -> dict[str, Any]:
    return {
        "nano_cpus": service.resources.cpu_millis * 10**6,
        "mem_limit": service.resources.memory_bytes,
        "memswap_limit": service.resources.memory_bytes,
        "pids_limit": MAX_PROCESSES,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "log_config": _LOG,
        "restart_policy": {"Name": "unless-stopped"},
    }


def _labels_for(service: Service) -> dict[str, str]:
    http = ",".join(str(expose.port) for expose in service.exposes if expose.is_ingress)
    return {SERVICE: service.name, HTTP: http}


def _labels(container: Container) -> dict[str, str]:
    return cast("dict[str, str]", container.labels)


def _start(container: Container, service: Service, inner: Network | None) -> None:
    """Joins the others and starts, as far as that is not done; what was stopped starts again."""
    if container.status not in ("created", "exited", "dead"):
        return
    if inner is not None and inner.name not in container.attrs["NetworkSettings"]["Networks"]:
        inner.connect(container, aliases=[service.name])
    container.start()


@contextmanager
def _held(turn: Lock) -> Generator[None, None, None]:
    if not turn.acquire(timeout=TIMEOUT_S):
        raise Unavailable("docker")
    try:
        yield
    finally:
        turn.release()


@contextmanager
def _refusals() -> Generator[None, None, None]:
    """Turns what asking again does not change into `ManifestRefused`."""
    try:
        yield
    except APIError as error:
        is_refusal = error.status_code == HTTPStatus.BAD_REQUEST or isinstance(error, ImageNotFound)
        if not is_refusal and NO_ADDRESSES not in str(error.explanation):
            raise
        raise ManifestRefused(f"The Docker engine refused: {str(error.explanation)[:300]}") from None


def _remove(thing: Container | Network) -> None:
    """Removes a container, running or not, or a network, unless somebody else just did."""
    try:
        if isinstance(thing, Container):
            thing.remove(force=True, v=True)
        else:
            thing.remove()
    except NotFound:
        pass


def _ending(container: Container) -> str:
    """Why it is not to be waited for; empty when it runs, or the engine starts it again."""
    is_stopped = container.status in ("exited", "dead")
    is_looping = container.status == "restarting" and container.attrs["RestartCount"] >= MAX_RESTARTS
    code = container.attrs["State"]["ExitCode"]
    return f"{_labels(container)[SERVICE]} ended with exit code {code}." if is_stopped or is_looping else ""


def _has_settled(container: Container) -> bool:
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"])
    return container.status == "running" and datetime.now(UTC) - started >= SETTLED


def _uris(container: Container) -> Iterator[str]:
    http = _labels(container)[HTTP].split(",")
    for address, bindings in sorted((container.ports or {}).items()):
        port, _, protocol = address.partition("/")
        for binding in bindings or ():
            yield f"{'http' if port in http else protocol}://{LOOPBACK}:{binding['HostPort']}"


def _misfit(workload: Workload, cpus: int, memory_bytes: int) -> str:
    """Why `workload` is not run on a machine with so much; empty when it is."""
    if any(service.mounts for service in workload.services):
        return "The Docker backend mounts no volumes."
    if (count := sum(service.count for service in workload.services)) > MAX_CONTAINERS:
        return f"The Docker backend runs at most {MAX_CONTAINERS} containers, not {count}."
    if max(service.resources.cpu_millis for service in workload.services) > cpus * 1000:
        return f"A replica asks for more than the machine's {cpus} CPUs."
    if min(service.resources.memory_bytes for service in workload.services) < LEAST_MEMORY:
        return f"Docker starts nothing with less than {LEAST_MEMORY} bytes of memory."
    if workload.shape.memory_bytes > memory_bytes:
        return f"All replicas together ask for more than the machine's {memory_bytes} bytes of memory."
    return ""
