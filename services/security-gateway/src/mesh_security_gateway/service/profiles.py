"""Compiles a security profile against the facts of one deployment."""

import time
from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_security_gateway.domain import profiles
from mesh_security_gateway.domain.profiles import Control, Deployment, Known, Policy
from mesh_security_gateway.repository.grants import Grants
from mesh_security_gateway.service.trail import Trail

NEWEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The rules for a deployment and what the facts say of the criteria."""

    policies: tuple[Policy, ...]
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Reports from facts that were given and facts known here; asks nobody and changes nothing."""

    database: Database
    trail: Trail

    async def compile(self, deployment: Deployment) -> Compiled:
        """The zero-trust policies for `deployment`, and the SOC 2 criteria as far as they can be told."""
        known = await self._known(deployment)
        return Compiled(policies=profiles.policies(deployment), controls=profiles.controls(deployment, known))

    async def _known(self, deployment: Deployment) -> Known:
        now = time.time()
        async with self.database.read() as session:
            reach = [
                (grant, origin)
                for grant, origin in await Grants(session).reach(deployment.id)
                if grant.is_live(now)
            ]
        verdict = await self.trail.verify(newest=NEWEST)
        return Known(
            grants=len(reach),
            grants_without_expiry=sum(grant.expires_at is None for grant, _ in reach),
            origins=tuple(sorted({origin for _, origin in reach})),
            audit_entries=verdict.entries,
            audit_holds=verdict.broken is None,
        )
