"""The text that a wallet signs to prove itself before anything of its agent is changed (EIP-4361)."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from mesh_registry.domain.intents import Change, Stake, Switch, Unstake, Update, cid_of


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
        """The 32 bytes that are signed (EIP-191, version 0x45)."""
        signed = encode_defunct(text=self.message)
        return keccak(b"\x19" + signed.version + signed.header + signed.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks: our public address, and the chain that the agents are on."""

    url: str
    chain_id: int

    def ask(self, change: Change, owner: str, nonce: str, at: datetime, until: datetime) -> Challenge:
        """The question whether `owner` wants `change`. The nonce is 8 or more letters and digits."""
        message = "\n".join(
            [
                f"{urlsplit(self.url).netloc} wants you to sign in with your Ethereum account:",
                owner,
                "",
                _statement(change),
                "",
                f"URI: {self.url}/v1/agents/{change.agent_id}/changes",
                "Version: 1",
                f"Chain ID: {self.chain_id}",
                f"Nonce: {nonce}",
                f"Issued At: {_instant(at)}",
                f"Expiration Time: {_instant(until)}",
                "Resources:",
                *(f"- {resource}" for resource in self._resources(change)),
            ]
        )
        return Challenge(nonce=nonce, owner=owner, change=change, message=message, expires_at=until)

    def _resources(self, change: Change) -> list[str]:
        """What it is for: the agent, and the metadata that it is going to have."""
        cid = cid_of(change)
        return [f"{self.url}/v1/agents/{change.agent_id}"] + ([f"ipfs://{cid}"] if cid else [])


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


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
