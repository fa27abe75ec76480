"""The text that a wallet signs to prove itself before anything of its agent is changed (EIP-4361)."""

from dataclasses import dataclass
from datetime import datetime

from mesh_shared.auth.sign_in import SignIn

from mesh_registry.domain.intents import Change, Stake, Switch, Unstake, Update, cid_of
from mesh_registry.domain.signatures import text_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A question to the owner of an agent, good for one change, one answer, and until `expires_at`.

    `message` is all of it; whatever else is signed is no answer.
    """

    nonce: str
    owner: str
    change: Change
    message: str
    expires_at: datetime

    @property
    def digest(self) -> bytes:
        """The 32 bytes that are signed."""
        return text_digest(self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks: our public address, and the chain that the agents are on."""

    url: str
    chain_id: int

    def ask(self, change: Change, owner: str, nonce: str, at: datetime, until: datetime) -> Challenge:
        """The question whether `owner` wants `change`. The nonce is 8 or more letters and digits."""
        asked = SignIn(
            url=self.url,
            path=f"/v1/agents/{change.agent_id}/changes",
            account=owner,
            chain_id=self.chain_id,
            statement=_statement(change),
            nonce=nonce,
            issued_at=at,
            expires_at=until,
            resources=self._resources(change),
        )
        return Challenge(nonce=nonce, owner=owner, change=change, message=asked.text, expires_at=until)

    def _resources(self, change: Change) -> tuple[str, ...]:
        """What it is for: the agent, and the metadata that it is going to have."""
        cid = cid_of(change)
        return (f"{self.url}/v1/agents/{change.agent_id}", *([f"ipfs://{cid}"] if cid else ()))


def _statement(change: Change) -> str:
    match change:
        case Update():
            return f"Update the agent that is at version {change.expected_version}."
        case Switch():
            return f"{change.kind.capitalize()} the agent that is at version {change.expected_version}."
        case Stake():
            return f"Stake {change.units} base units behind the agent."
        case Unstake():
            return f"Release {change.units} base units of the agent's stake."
        case _:
            return "Withdraw the agent's released stake to me."
