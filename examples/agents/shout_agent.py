"""The agent of the tutorial: it shouts, for 5000 base units a call."""

from typing import Any

from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.wire import WireModel
from paid_agent import Offer, options, serve


class Text(WireModel):
    text: str


async def shout(runtime: Runtime[Any], message: Message, state: State, asked: Text, say: Callback) -> bool:
    await say(succeeded("Shouted.", {"text": asked.text.upper()}))
    return True


SHOUT = Action(
    name="SHOUT",
    description="Says it louder.",
    parameters=Text,
    handler=shout,
    examples=[(Turn(role="user", text="Shout hello."), Turn(role="agent", text="HELLO", action="SHOUT"))],
    scope="actions:invoke",
    capabilities=("text.shout",),
)

if __name__ == "__main__":
    plugin = Plugin(name="shout", description="An agent that shouts.", actions=[SHOUT])
    serve(
        plugin, Offer("you/shout", {"text.shout": 5_000}, stake_units=0), options(__doc__ or "").parse_args()
    )
