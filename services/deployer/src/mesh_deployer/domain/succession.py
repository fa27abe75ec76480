"""One deployment takes the place of another: it is there first, and then the other one goes.

A lease is never changed and never moved, so that other replicas and another provider take another order. The
successor is a deployment like any other; while it is on its way, the one before runs on, and when it fails,
nothing has changed.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from mesh_deployer.domain.choice import placements
from mesh_deployer.domain.deployment import Deployment, State
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Group, Workload
from mesh_deployer.domain.writing import write_sdl
from mesh_deployer.errors import ServiceUnknown, TooFewReplicas, TooManyReplicas

MAX_FAIL_OVERS = 3
"""How often in a row a workload is begun elsewhere by itself."""


def scaled(
    deployment: Deployment, replicas: Mapping[str, int], allowed: range, key: str, now: datetime
) -> Deployment:
    """The successor that has so many `replicas` by service, in every placement; the others keep theirs.

    The same one when nothing is different. Raises `ServiceUnknown`, `TooFewReplicas` or `TooManyReplicas` for
    what is not `allowed`, and `NotWritten`.
    """
    workload = Workload(compile_sdl(deployment.sdl).deployed())
    if unknown := set(replicas) - {service.name for service in workload.services}:
        raise ServiceUnknown(min(unknown))
    if any(count < allowed.start for count in replicas.values()):
        raise TooFewReplicas(allowed.start)
    if any(count >= allowed.stop for count in replicas.values()):
        raise TooManyReplicas(allowed.stop - 1)
    wanted = Workload(tuple(_with(group, replicas) for group in workload.groups))
    if wanted == workload:
        return deployment
    sdl = write_sdl(wanted.groups)
    return replace(
        _successor(deployment, key, now),
        sdl=sdl,
        version_hash=compile_sdl(sdl).version_hash or "",
        shape=wanted.shape,
        terms=replace(deployment.terms, placements=placements(wanted)),
    )


def elsewhere(deployment: Deployment, key: str, now: datetime) -> Deployment:
    """The successor that runs the same, each placement at another provider than it has and had."""
    left = (bid.id for bid in deployment.chosen)
    return replace(_successor(deployment, key, now), lost=(*deployment.lost, *left))


def rescued(deployment: Deployment, patience: timedelta, now: datetime) -> Deployment | None:
    """The successor of one whose replicas have been missing for too long; None where there is to be none."""
    done, since = deployment.fail_overs, deployment.unready_since
    if deployment.state is not State.ACTIVE or done is None or since is None:
        return None
    if done >= MAX_FAIL_OVERS or deployment.replaced_by is not None or now < since + patience:
        return None
    return replace(elsewhere(deployment, f"fail-over {done}", now), fail_overs=done + 1)


def _with(group: Group, replicas: Mapping[str, int]) -> Group:
    services = tuple(replace(s, count=replicas.get(s.name, s.count)) for s in group.services)
    return replace(group, services=services)


def _successor(deployment: Deployment, key: str, now: datetime) -> Deployment:
    """A new deployment of the same, with an id that is the same whenever `key` is."""
    return Deployment(
        id=uuid5(deployment.id, key),
        owner=deployment.owner,
        request_digest=deployment.request_digest,
        provider=deployment.provider,
        provider_reason=deployment.provider_reason,
        sdl=deployment.sdl,
        version_hash=deployment.version_hash,
        shape=deployment.shape,
        terms=deployment.terms,
        deposit_uact=deployment.deposit_uact,
        deadlines=deployment.deadlines,
        created_at=now,
        traceparent=deployment.traceparent,
        security=deployment.security,
        top_up_to_uact=deployment.top_up_to_uact,
        fail_overs=deployment.fail_overs,
        replaces=deployment.id,
    )


def awaits(deployment: Deployment, successor: UUID) -> Deployment:
    """The deployment that is to be replaced by `successor`."""
    return replace(deployment, replaced_by=successor, revision=deployment.revision + 1)
