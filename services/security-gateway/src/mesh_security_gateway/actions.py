"""What the gateway offers as an agent."""

from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded

from mesh_security_gateway.schemas.operations import OperationRequest, PerformedView
from mesh_security_gateway.service.gateway import Gateway


async def secure_operation(
    runtime: Runtime[Gateway], message: Message, state: State, options: OperationRequest, callback: Callback
) -> bool:
    """Performs one call through a connection for the caller."""
    performed = await runtime.service.operations.perform(
        runtime.caller, options.operation(), runtime.idempotency_key
    )
    text = f"Secure operation complete. The upstream answered {performed.status}."
    await callback(succeeded(text, PerformedView.of(performed).model_dump(mode="json")))
    return True


plugin = Plugin(
    name="security-gateway",
    description="Makes calls with credentials that the caller never sees.",
    actions=[
        Action(
            name="SECURE_OPERATION",
            description="Performs one call through a connection; answers with the secure context.",
            parameters=OperationRequest,
            handler=secure_operation,
            examples=[
                (
                    Turn(role="user", text="Ask GitHub who I am."),
                    Turn(
                        role="agent",
                        text="Secure operation complete. The upstream answered 200.",
                        action="SECURE_OPERATION",
                    ),
                )
            ],
            scope="gateway:proxy",
            failures={502: "The upstream failed", 504: "The upstream took too long"},
            capabilities=("gateway.secure-operation",),
        )
    ],
)
