"""Pushes that GitHub tells of: analysed when they are of a workspace that the operator has named."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec
from mesh_shared.errors import MalformedRequest

from mesh_workspace_analyzer.domain import push
from mesh_workspace_analyzer.domain.job import Job
from mesh_workspace_analyzer.domain.push import Push, Secret
from mesh_workspace_analyzer.errors import SignatureRefused, WebhooksNotConfigured
from mesh_workspace_analyzer.service.analyses import Asked
from mesh_workspace_analyzer.service.jobs import JobDesk


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came: `id` is the same when the same comes again, and `signature` is of `body`."""

    id: UUID
    event: str
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    """Takes deliveries; `workspaces` are where repositories are, by the names that GitHub has for them."""

    jobs: JobDesk
    secret: Secret | None
    workspaces: Mapping[str, str]

    async def receive(self, delivery: Delivery) -> Job | str:
        """The job that analyses a push, or why there is none. The same delivery again is the same job.

        Raises `WebhooksNotConfigured`, `SignatureRefused` or `MalformedRequest`.
        """
        if self.secret is None:
            raise WebhooksNotConfigured
        if not self.secret.signed(delivery.body, delivery.signature):
            raise SignatureRefused
        if delivery.event != "push":
            return f"Nothing is done for {delivery.event}."
        told = _read(delivery.body)
        if (workspace := self.workspaces.get(told.repository.full_name)) is None:
            return "The operator has not named that repository in MESH_GITHUB_WORKSPACES."
        if not told.is_work:
            return "Nothing is done for tags, and for branches that are deleted."
        asked = Asked(workspace=workspace, base=told.base, head=told.after)
        return await self.jobs.request(asked, delivery.id)


def _read(body: bytes) -> Push:
    try:
        return push.read(body)
    except msgspec.MsgspecError as error:
        raise MalformedRequest(f"That is no push: {error}.") from None
