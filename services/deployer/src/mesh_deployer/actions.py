"""What the deployer offers as an agent."""

from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.errors import IdempotencyKeyRequired
from pydantic import Field

from mesh_deployer.domain.generation import generate_sdl
from mesh_deployer.schemas.deployments import DeploymentOptions, DeploymentView
from mesh_deployer.schemas.sdl import ConfigModel, SdlView
from mesh_deployer.schemas.security import SecureDeploymentView, SecurityOptions
from mesh_deployer.service.deployer import Deployer, Security, Wish

SCOPE = "deployer:deploy"
_WAIT_S = Field(default=10, ge=0, le=30, description="How long to wait until it runs.", examples=[10])


class DeployParameters(DeploymentOptions):
    """A deployment, and how long to wait until it runs."""

    wait_s: int = _WAIT_S


class DeploySecurelyParameters(SecurityOptions):
    """A secure deployment, and how long to wait until it runs."""

    wait_s: int = _WAIT_S


async def generate(
    runtime: Runtime[Deployer], message: Message, state: State, options: ConfigModel, callback: Callback
) -> bool:
    sdl = generate_sdl(options.config())
    await callback(succeeded(f"SDL for {options.name}.", SdlView(sdl=sdl).model_dump(mode="json")))
    return True


async def deploy(
    runtime: Runtime[Deployer], message: Message, state: State, options: DeployParameters, callback: Callback
) -> bool:
    service = runtime.service
    deployment = await service.submit(_wish(runtime, "DEPLOY_AGENT", options, None))
    deployment = await service.wait(deployment, options.wait_s)
    view = DeploymentView.of(deployment, service.reduction(deployment), service.inputs)
    text = f"Deployment {deployment.id} is {deployment.state}: {deployment.explanation}"
    await callback(succeeded(text, view.model_dump(mode="json")))
    return True


async def deploy_securely(
    runtime: Runtime[Deployer],
    message: Message,
    state: State,
    options: DeploySecurelyParameters,
    callback: Callback,
) -> bool:
    service = runtime.service
    wish = _wish(runtime, "DEPLOY_WITH_SECURITY", options, options.security())
    deployment = await service.submit(wish)
    deployment = await service.wait(deployment, options.wait_s)
    view = SecureDeploymentView.of(service.assess(deployment))
    text = f"Deployment {deployment.id} is {deployment.state}: {deployment.explanation}"
    await callback(succeeded(text, view.model_dump(mode="json")))
    return True


def _wish(
    runtime: Runtime[Deployer], operation: str, options: DeploymentOptions, security: Security | None
) -> Wish:
    if runtime.idempotency_key is None:
        raise IdempotencyKeyRequired("Send an Idempotency-Key: a deployment moves here.")
    return Wish(
        owner=runtime.caller.subject,
        operation=operation,
        key=runtime.idempotency_key,
        sdl=options.text(),
        provider=options.provider,
        reputation_floor=options.floor(),
        strategy=options.strategy,
        security=security,
    )


plugin = Plugin(
    name="mesh-deployer",
    description="Describes workloads, finds the cheapest trusted provider for them and runs them there.",
    actions=[
        Action(
            name="GENERATE_SDL",
            description="Writes an Akash SDL for one service.",
            parameters=ConfigModel,
            handler=generate,
            examples=[
                (
                    Turn(role="user", text="Write an SDL for nginx with half a CPU"),
                    Turn(role="agent", text="SDL for web.", action="GENERATE_SDL"),
                )
            ],
            scope=SCOPE,
            capabilities=("deploy.sdl",),
        ),
        Action(
            name="DEPLOY_AGENT",
            description="Deploys an SDL on the cheapest provider of good reputation and says what it saves.",
            parameters=DeployParameters,
            handler=deploy,
            examples=[
                (
                    Turn(role="user", text="Deploy my agent on Akash"),
                    Turn(role="agent", text="Deployment … is leased.", action="DEPLOY_AGENT"),
                )
            ],
            scope=SCOPE,
            capabilities=("deploy.akash",),
        ),
        Action(
            name="DEPLOY_WITH_SECURITY",
            description="Deploys under a zero-trust profile, in one region, with a report of the evidence.",
            parameters=DeploySecurelyParameters,
            handler=deploy_securely,
            examples=[
                (
                    Turn(role="user", text="Deploy my agent in eu-west with zero trust"),
                    Turn(role="agent", text="Deployment … is leased.", action="DEPLOY_WITH_SECURITY"),
                )
            ],
            scope=SCOPE,
            capabilities=("deploy.secure",),
        ),
    ],
)
