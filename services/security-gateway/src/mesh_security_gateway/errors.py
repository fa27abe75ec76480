"""Outcomes a caller can act on. Every text is fixed and repeats neither what was sent nor what came."""

from http import HTTPStatus
from uuid import UUID

from mesh_shared.errors import Conflict, Forbidden, MeshError, NotFound, Unauthenticated


class KeyRefused(Unauthenticated, title="API key refused"):
    """The API key is missing, unknown, revoked or expired; the answer never says which."""

    def __init__(self) -> None:
        super().__init__("The API key does not open a session.")


class KeyUnproved(Unauthenticated, title="Key unproved"):
    """The API key opens sessions only for who proves to hold the key that was named when it was made."""

    def __init__(self) -> None:
        super().__init__("This API key needs the proof of another key.")

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'DPoP algs="ES256 EdDSA"'}


class WalletRefused(Unauthenticated, title="Wallet refused"):
    """The answer is none of the agent's owner to an open question, or was used; it never says which."""

    def __init__(self) -> None:
        super().__init__("That is no answer of the agent's owner.")


class AgentNotFound(NotFound, title="Agent not found"):
    def __init__(self) -> None:
        super().__init__("The registry knows no such agent.")


class AgentBarred(Forbidden, title="Agent barred"):
    """On the chain the agent is switched off, has too little at stake, or belongs to somebody else by now."""

    def __init__(self) -> None:
        super().__init__("The agent is not in good standing on the chain.")


class SiteNotAllowed(Forbidden, title="Site not allowed"):
    """The operator has not named this site as one where owners sign in."""

    def __init__(self) -> None:
        super().__init__("The gateway is not told that owners sign in on this site (MESH_SITES).")


class AudienceExceeded(Forbidden, title="Audience exceeded"):
    """A session that hangs on the chain is asked for a service that does not look there."""

    def __init__(self) -> None:
        super().__init__("A wallet's session is for the gateway alone.")


class ScopesExceeded(Forbidden, title="Scopes exceeded"):
    """More was asked for than the caller's own key holds."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("Nobody passes on more than they hold.", missing=missing)


class DelegationTooLong(Conflict, title="Delegation too long"):
    """So many act for each other already that nobody may act for them."""

    def __init__(self) -> None:
        super().__init__("Too many act for each other here.")


class SubjectForeign(Forbidden, title="Subject foreign"):
    """Grants and connections hang on a subject, so a key for somebody else's would be a key to those."""

    def __init__(self) -> None:
        super().__init__("Keys are made for oneself and for subjects below, such as `me/agent`.")


class KeyNotFound(NotFound, title="API key not found"):
    """There is no such key, or it is not the caller's business; the answer never says which."""

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


class ProviderNotFound(NotFound, title="Provider not found"): ...


class ProviderExists(Conflict, title="Provider exists"):
    """The name belongs to a provider with another origin, base path or injector; providers never change."""


class ProviderUnfit(Conflict, title="Provider unfit"):
    """The provider contradicts itself, such as a public origin without TLS."""


class ConnectionNotFound(NotFound, title="Connection not found"):
    """There is no such connection, or it is not the caller's business; the answer never says which."""

    def __init__(self) -> None:
        super().__init__("There is no such connection.")


class ConnectionExists(Conflict, title="Connection exists"): ...


class ConnectionChanged(Conflict, title="Connection changed"):
    """The connection is not any more what the caller saw."""

    def __init__(self) -> None:
        super().__init__("It has changed since you read it; read it again.")


class SecretUnfit(Conflict, title="Secret unfit"):
    """The secret cannot be injected the way its provider wants it, or is too short to be found again."""


class SecretRevoked(Conflict, title="Secret revoked"):
    """No version of the connection's secret is live; a new one must be put there."""

    def __init__(self) -> None:
        super().__init__("The connection's secret is revoked. Nothing was sent.")


class SecretVersionNotFound(NotFound, title="Secret version not found"):
    def __init__(self) -> None:
        super().__init__("There is no such version of the secret.")


class GrantNotFound(NotFound, title="Grant not found"): ...


class GrantMissing(Forbidden, title="Grant missing"):
    """No live grant lets the caller do this with the connection."""

    def __init__(self) -> None:
        super().__init__("No live grant covers this method and path.")


class PolicyNotFound(NotFound, title="Policy not found"): ...


class PolicyUnfit(Conflict, title="Policy unfit"):
    """The text is no policies, does not fit the schema, or does more than forbid."""


class PolicyForbids(Forbidden, title="Forbidden by policy"):
    """A live grant covers the call, and a published policy forbids it all the same."""

    def __init__(self, policies: list[str]) -> None:
        super().__init__("A policy forbids this.", policies=policies)


class PolicyUndecided(Forbidden, title="Policy undecided"):
    """A policy could not be evaluated for this call, which is never an allowance."""

    def __init__(self) -> None:
        super().__init__("A policy could not be evaluated for this.")


class RateExceeded(MeshError, status=HTTPStatus.TOO_MANY_REQUESTS, title="Rate exceeded"):
    """The grant allows no more calls just now; `Retry-After` says when it does."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("The grant allows no more calls just now.")
        self._retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self._retry_after_s)}


class BudgetSpent(MeshError, status=HTTPStatus.TOO_MANY_REQUESTS, title="Budget spent"):
    """What is left of the grant's budget is not enough for a call. Waiting helps only against calls that are
    under way and may give back what they took.
    """

    def __init__(self) -> None:
        super().__init__("The grant's budget is spent.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "60"}


class ApprovalRequired(MeshError, status=HTTPStatus.ACCEPTED, title="Approval required"):
    """Nothing was sent: a person must approve exactly this request. `Location` shows whether somebody has."""

    def __init__(self, approval: UUID) -> None:
        super().__init__("A person must approve this request.", approval=str(approval))
        self._approval = approval

    def headers(self) -> dict[str, str]:
        return {"Location": f"/v1/approvals/{self._approval}", "Retry-After": "10"}


class ApprovalNotFound(NotFound, title="Approval not found"):
    """There is no such approval, or it is not the caller's business; the answer never says which."""

    def __init__(self) -> None:
        super().__init__("There is no such approval.")


class ApprovalUnfit(Conflict, title="Approval unfit"):
    """The approval is none, about another request, not given, denied, used or expired; never said which."""

    def __init__(self) -> None:
        super().__init__("That is no approval of this request.")


class SocketUnapprovable(Forbidden, title="Socket not approvable"):
    """The grant needs a person's approval, and nobody can approve what is yet to be said in a WebSocket."""

    def __init__(self) -> None:
        super().__init__("Under a grant that needs approval no WebSocket is opened.")


class ApprovalClosed(Conflict, title="Approval closed"):
    """The question was answered already, or is too old to be answered."""

    def __init__(self) -> None:
        super().__init__("This question is not open any more.")


class ApprovalForeign(Forbidden, title="Approval foreign"):
    """Who asks is not who answers."""

    def __init__(self) -> None:
        super().__init__("Nobody approves a request of their own.")


class ApprovalsFull(MeshError, status=HTTPStatus.TOO_MANY_REQUESTS, title="Approvals full"):
    """The caller has so many open questions that no more are asked."""

    def __init__(self) -> None:
        super().__init__("Too many of your requests wait for an approval.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "60"}


class LeaseNotFound(NotFound, title="Lease not found"):
    """There is no such lease, or it is not the caller's business; the answer never says which."""

    def __init__(self) -> None:
        super().__init__("There is no such lease.")


class LeaseEnded(Forbidden, title="Lease ended"):
    """The lease is none of the caller's for this connection, or is over by time or by word."""

    def __init__(self) -> None:
        super().__init__("That lease does not hold here.")


class LeasesFull(MeshError, status=HTTPStatus.TOO_MANY_REQUESTS, title="Leases full"):
    """The caller has so many live leases that it gets no more."""

    def __init__(self) -> None:
        super().__init__("Too many of your leases are live.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "60"}


class PathRefused(MeshError, status=HTTPStatus.BAD_REQUEST, title="Path refused"):
    """Two parsers may read the address differently, so the gateway reads it not at all."""

    def __init__(self) -> None:
        super().__init__("The address has a spelling that is not forwarded.")


class OperationUnfit(Conflict, title="Operation unfit"):
    """The operation's path or headers have a spelling that is not forwarded."""

    def __init__(self) -> None:
        super().__init__("The path or a header has a spelling that is not forwarded.")


class AuditUnavailable(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Audit unavailable"):
    """The intent could not be made durable, so nothing was sent."""

    def __init__(self) -> None:
        super().__init__("The audit cannot be written. Nothing was sent.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class EntryUnreadable(Conflict, title="Audit entry unreadable"):
    """Somebody wrote to the audit's table; the verification names the first entry that does not hold."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"Entry {sequence} of the audit is none any more.", sequence=sequence)
        self.sequence = sequence


class EntryNotFound(NotFound, title="Audit entry not found"):
    def __init__(self) -> None:
        super().__init__("There is no such entry in the audit.")


class ProofImpossible(NotFound, title="No such proof"):
    """The record is not as long as that; see `/v1/audit/checkpoint`."""

    def __init__(self) -> None:
        super().__init__("The audit has not so many entries.")


class SecretUnreadable(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Secret unreadable"):
    """The stored secret does not open: another key-encryption key, or a row that was tampered with."""

    def __init__(self) -> None:
        super().__init__("The stored secret does not open. Nothing was sent.")


class KekUnavailable(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="KEK unavailable"):
    """The engine that holds the key-encryption key does not answer, so that no secret opens."""

    def __init__(self) -> None:
        super().__init__("The key-encryption key cannot be used now. Nothing was sent.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class CircuitOpen(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Circuit open"):
    """The upstream could not be dialled several times in a row, so it is left alone; `Retry-After` says how
    long.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("The upstream is not dialled just now. Nothing was sent.")
        self._retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self._retry_after_s)}


class Interrupted(MeshError, status=HTTPStatus.BAD_REQUEST, title="Interrupted"):
    """The caller left before the call was over, or the gateway was told to stop."""

    def __init__(self) -> None:
        super().__init__("The request ended before its end.")


class UploadTimeout(MeshError, status=HTTPStatus.REQUEST_TIMEOUT, title="Upload timed out"):
    """The caller said nothing for too long while its request was under way."""

    def __init__(self) -> None:
        super().__init__("The rest of the request did not come.")


class UpstreamFailure(MeshError, status=HTTPStatus.BAD_GATEWAY, title="Upstream failure"):
    """The upstream could not be used; the call may have reached it."""


class UpstreamUnreachable(UpstreamFailure, title="Upstream unreachable"):
    def __init__(self) -> None:
        super().__init__("The upstream does not answer.")


class UpstreamAddress(UpstreamFailure, title="Upstream address refused"):
    """The origin is no address that may be dialled: not public, or not written as one number per part."""

    def __init__(self) -> None:
        super().__init__("The upstream's address is not one that may be dialled.")


class UpstreamTls(UpstreamFailure, title="Upstream TLS failed"):
    def __init__(self) -> None:
        super().__init__("The upstream's certificate does not hold.")


class UpstreamTimeout(UpstreamFailure, status=HTTPStatus.GATEWAY_TIMEOUT, title="Upstream timed out"):
    def __init__(self) -> None:
        super().__init__("The upstream took too long.")


class UpstreamToken(UpstreamFailure, title="Upstream token"):
    """The provider's token endpoint gave no token; what it said instead stays here."""

    def __init__(self) -> None:
        super().__init__("The upstream's token endpoint gave no token.")


class UpstreamEncoding(UpstreamFailure, title="Upstream encoding"):
    """The upstream compressed its answer although it was asked not to; nobody can look for a secret in it."""

    def __init__(self) -> None:
        super().__init__("The upstream's answer is encoded.")


class EchoDetected(UpstreamFailure, title="Echo detected"):
    """The upstream says the secret in pieces, each in a message of its own, so that none can be redacted."""

    def __init__(self) -> None:
        super().__init__("The upstream repeats its credential in pieces.")


class UpgradeRefused(UpstreamFailure, title="Upgrade refused"):
    """The upstream opens no WebSocket here; `answered` is its status."""

    def __init__(self, answered: int) -> None:
        super().__init__("The upstream opens no WebSocket here.")
        self.answered = answered


class UpstreamStatus(UpstreamFailure, title="Upstream status refused"):
    """The upstream's status ends no exchange: 101, 999, or interim ones without end."""

    def __init__(self) -> None:
        super().__init__("The upstream's status is not one that is passed on.")


class UpstreamTooLarge(UpstreamFailure, title="Upstream answer too large"):
    def __init__(self) -> None:
        super().__init__("The upstream's answer is larger than the gateway passes on.")


class UpstreamBroken(UpstreamFailure, title="Upstream answer broken"):
    def __init__(self) -> None:
        super().__init__("The upstream's answer ended before its end.")
