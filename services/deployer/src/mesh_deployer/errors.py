"""What can come of a deployment that its caller can act on."""

from collections.abc import Collection, Sequence

from mesh_shared.errors import Conflict, NotFound


class DeploymentNotFound(NotFound, title="Deployment not found"):
    """No deployment of yours has that id."""

    def __init__(self) -> None:
        super().__init__("You have no deployment with that id.")


class SdlInvalid(Conflict, title="SDL not accepted"):
    """The text is no SDL that can be deployed; `issues` has place, reason and hint of each fault."""

    def __init__(self, issues: Sequence[dict[str, str]]) -> None:
        super().__init__(f"The SDL has {len(issues)} fault(s).", issues=list(issues))


class EitherSdlOrConfig(Conflict, title="Either SDL or config"):
    """There must be exactly one thing to deploy."""

    def __init__(self) -> None:
        super().__init__("Give either sdl or config.")


class SecretInSdl(Conflict, title="Secret in an SDL"):
    """Providers read the manifest. Store the secret in the security gateway and write `gateway://<connection>`."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"This looks like a secret: {', '.join(names)}. Providers can read an SDL; "
            "store the value in the security gateway and write gateway://<connection> instead.",
            names=list(names),
        )


class ImageNotAReference(Conflict, title="Image not a reference"):
    """An image is named as registries name it: host, path, tag, digest."""

    def __init__(self, services: Sequence[str]) -> None:
        text = f"The image of {', '.join(services)} has no name that a registry could have."
        super().__init__(text, services=list(services))


class TooManyPlacements(Conflict, title="Too many placements"):
    """Each placement is an order of its own; split the SDL."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"A deployment has at most {most} placements here, not {count}.", most=most)


class NotRunHere(Conflict, title="Not run here"):
    """The SDL is valid, and no marketplace that is configured here runs all that it asks for."""

    def __init__(self, extras: Sequence[str]) -> None:
        super().__init__(f"Nothing here runs {', '.join(extras)}.", extras=list(extras))


class CredentialsNotSent(Conflict, title="Credentials not sent"):
    """A provider pulls an image with the credentials that it is shown, and ours are shown to nobody."""

    def __init__(self) -> None:
        super().__init__(
            "The SDL has credentials of a registry. Whoever gets it can read them, and the security gateway "
            "gives no secret away, so nothing is sent; use an image that can be pulled without."
        )


class PriceNotInUact(Conflict, title="Price not in uact"):
    """Since Akash's AEP-79 a deployment is priced and paid in uact."""

    def __init__(self, denom: str) -> None:
        super().__init__("The SDL must be priced in uact to be deployed.", denom=denom)


class CannotRun(Conflict, title="Cannot run there"):
    """The chosen backend cannot run this workload."""


class BackendNotConfigured(CannotRun, title="Backend not configured"):
    """The operator has not connected this backend."""

    def __init__(self, backend: str, configured: Sequence[str]) -> None:
        text = f"The backend {backend} is not connected here; there are {', '.join(sorted(configured))}."
        super().__init__(text, backend=backend, configured=sorted(configured))


class DockerNotAvailable(CannotRun, title="Docker not available"):
    """No Docker engine answers at the configured address."""

    def __init__(self) -> None:
        super().__init__("No Docker engine answers here, so no container can really run.")


class ImageNotPresent(CannotRun, title="Image not present"):
    """The engine does not have the image. Nothing is pulled by a deployment."""

    def __init__(self, images: Sequence[str]) -> None:
        text = f"The Docker engine does not have {', '.join(images)}, and a deployment pulls nothing."
        super().__init__(text, images=list(images))


class NotWritten(CannotRun, title="Not written"):
    """The backend takes an SDL, and this workload cannot be written as one that means the same."""

    def __init__(self) -> None:
        super().__init__("This workload cannot be written down for the Console without changing it.")


class ConsoleNotConnected(CannotRun, title="Console not connected"):
    """The security gateway, or the Console behind it, does not let the deployer in."""

    def __init__(self, answer: str) -> None:
        super().__init__(f"The Console cannot be used through the gateway: {answer}.", answer=answer)


class NotOnDocker(CannotRun, title="Not possible on the Docker backend"):
    """The workload asks for something that the Docker backend does not offer."""


class NotRunThere(CannotRun, title="Not run there"):
    """Other backends may run it."""

    def __init__(self, backend: str, extras: Sequence[str]) -> None:
        text = f"The backend {backend} does not run {', '.join(extras)}."
        super().__init__(text, backend=backend, extras=list(extras))


class BidLost(Conflict, title="Bid lost"):
    """A provider withdrew, or gave the place to somebody else, before the leases were made; none was.

    `bid` is the number of its placement, and the provider.
    """

    def __init__(self, bid: tuple[int, str]) -> None:
        super().__init__("The bid was gone when it was accepted.", provider=bid[1])
        self.bid = bid


class OrderNotOpen(Conflict, title="Order not open"):
    """The market has closed the order, or leased it to another provider."""

    def __init__(self) -> None:
        super().__init__("The order is not open any more.")


class OrderRefused(Conflict, title="Order refused"):
    """The market does not open the order; its word for the reason is in `detail`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The market does not open the order: {reason}")


class LeaseLost(Conflict, title="Lease lost"):
    """Providers have closed leases by themselves; the order can be opened again.

    `leases` are those that were closed, each by the number of its placement and the provider; `gseqs` are the
    placements that have none any more, be it that another one was closed.
    """

    def __init__(self, leases: Sequence[tuple[int, str]], reason: str, gseqs: Collection[int]) -> None:
        named = " and ".join(dict.fromkeys(provider for _, provider in leases))
        super().__init__(
            f"The provider {named} has closed the lease ({reason}).", provider=named, reason=reason
        )
        self.leases = tuple(leases)
        self.gseqs = frozenset(gseqs)


class InsufficientFunds(Conflict, title="Insufficient funds"):
    """Nothing of the deposit was left when the provider asked for its pay."""

    def __init__(self) -> None:
        super().__init__("The deposit was used up, so the market has closed the order.")


class DepositNotLowered(Conflict, title="Deposit not lowered"):
    """What is locked comes back when the deployment is closed, and not before."""

    def __init__(self, deposit_uact: int) -> None:
        super().__init__(f"{deposit_uact} uact are locked already.", deposit_uact=str(deposit_uact))


class NotRunning(Conflict, title="Not running"):
    """There is nothing yet, nothing any more, or an update is under way."""

    def __init__(self, state: str) -> None:
        super().__init__(f"The deployment is {state}.", state=state)


class BeingReplaced(Conflict, title="Being replaced"):
    """Another deployment is on its way to take its place; when that fails, it can be asked for again."""

    def __init__(self, by: str) -> None:
        super().__init__(f"{by} is about to take its place.", by=by)


class TooFewReplicas(Conflict, title="Too few replicas"):
    """The operator bounds how few replicas a service is scaled down to."""

    def __init__(self, least: int) -> None:
        super().__init__(f"A service has at least {least} replicas here.", least=least)


class TooManyReplicas(Conflict, title="Too many replicas"):
    """The operator bounds how many replicas a service has."""

    def __init__(self, most: int) -> None:
        super().__init__(f"A service has at most {most} replicas here.", most=most)


class UpdateNeedsDeployment(Conflict, title="Update needs a deployment"):
    """An update replaces the manifest only; `changes` has all that is different and what each takes."""

    def __init__(self, changes: Sequence[dict[str, str | None]]) -> None:
        blocking = sorted({str(c["what"]) for c in changes if c["carried_by"] == "deployment"})
        text = f"The order is never changed; a new lease is needed for {', '.join(blocking)}."
        super().__init__(text, changes=list(changes))


class CommandNotFinished(Conflict, title="Command not finished"):
    """The command took too long; whether it still runs is not known."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The command has not ended within {seconds} seconds.", seconds=seconds)


class NotOffered(Conflict, title="Not offered there"):
    """The backend, or its operator, does not do this."""


class CommandRefused(Conflict, title="Command refused"):
    """The provider does not run it; the detail has the provider's words."""


class ServiceUnknown(Conflict, title="Service unknown"):
    """The deployment has no such service."""

    def __init__(self, service: str) -> None:
        super().__init__(f"The deployment has no service {service}.", service=service)


class ManifestTimeout(Conflict, title="Manifest timeout"):
    """The provider did not take the manifest in time; the market closed the lease."""

    def __init__(self) -> None:
        super().__init__("The provider did not take the manifest in time.")


class ManifestRefused(Conflict, title="Manifest refused"):
    """The provider could not start what the manifest describes."""


class SecurityProfileRefused(Conflict, title="Security profile refused"):
    """The security gateway does not compile this profile for this deployment."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"The security gateway refused the profile: {detail}")
