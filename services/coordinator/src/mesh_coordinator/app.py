"""Composition root: the one module that names concrete adapters."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from mesh_shared import dial
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.background import beside, forever
from mesh_shared.chain import deployment
from mesh_shared.chain.keys import load_or_create
from mesh_shared.chain.rpc import Rpc
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.platform import Platform

from mesh_coordinator.actions import PLUGIN
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.adapters.chain import ChainEscrows
from mesh_coordinator.adapters.registry import RegistryDirectory
from mesh_coordinator.api import execution, runs
from mesh_coordinator.schemas.requests import MAX_TIMEOUT_S
from mesh_coordinator.service import Coordinator
from mesh_coordinator.service.attempts import AttemptRunner
from mesh_coordinator.service.cashier import Cashier
from mesh_coordinator.service.conductor import Conductor
from mesh_coordinator.service.escrows import EscrowDesk
from mesh_coordinator.service.planning import Planner
from mesh_coordinator.service.runs import RunDesk
from mesh_coordinator.settings import Settings

ABOUT = About(
    title="371 Mesh: coordinator",
    summary="Turns a task into a plan, a plan into paid steps, and results into verdicts.",
)
ROUTERS = (runs.router, execution.router)


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The service; `keys` stands in for the gateway's in tests."""

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Coordinator, None]:
        contracts = deployment.read(settings.contracts_file)
        rpc = Rpc(settings.chain_rpc_url.get_secret_value(), settings.chain_id)
        patience = timedelta(seconds=settings.chain_patience_s)
        sender = TransactionSender(
            platform.database, rpc, load_or_create(settings.chain_key_file), patience=patience
        )
        evaluator = load_or_create(settings.evaluator_key_file)
        escrows = ChainEscrows(rpc, contracts, sender.address, evaluator)
        directory = RegistryDirectory(platform.http, settings.registry_url or "")
        platform.checks.add("chain", rpc.ping)
        platform.checks.add("registry", directory.ping)
        async with dial.session(
            allow_private=settings.allow_private_agents, timeout_s=MAX_TIMEOUT_S
        ) as session:
            agents = HttpAgents(session, platform.sessions, settings.max_answer_bytes)
            conductor = _conductor(settings, platform, agents, escrows, sender)
            # Beside, not with the platform's own tasks: an agent must not be blamed for a call that our end cut off.
            async with beside(forever("sender", sender.turn)), beside(forever("runs", conductor.turn)):
                yield _coordinator(settings, platform, directory, escrows)
        await rpc.close()

    return build(ABOUT, settings, routers=ROUTERS, plugin=PLUGIN, start=start, keys=keys)


def _conductor(
    settings: Settings,
    platform: Platform,
    agents: HttpAgents,
    escrows: ChainEscrows,
    sender: TransactionSender,
) -> Conductor:
    cashier = Cashier(
        database=platform.database,
        escrows=escrows,
        sender=sender,
        submit_window_s=settings.submit_window_s,
        review_window_s=settings.review_window_s,
    )
    return Conductor(
        database=platform.database,
        attempts=AttemptRunner(database=platform.database, agents=agents, cashier=cashier),
        parallel_steps=settings.parallel_steps,
        parallel_attempts=settings.parallel_attempts,
    )


def _coordinator(
    settings: Settings, platform: Platform, directory: RegistryDirectory, escrows: ChainEscrows
) -> Coordinator:
    planner = Planner(
        directory=directory,
        own_accounts=frozenset({escrows.payer.lower(), escrows.evaluator.lower()}),
        own_endpoint=platform.public_url,
        max_budget_units=settings.max_run_budget,
    )
    return Coordinator(
        planner=planner,
        runs=RunDesk(
            database=platform.database, planner=planner, attempts_per_step=settings.attempts_per_step
        ),
        escrows=EscrowDesk(database=platform.database, escrows=escrows),
    )
