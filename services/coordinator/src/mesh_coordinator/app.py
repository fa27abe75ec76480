"""Composition root: the one module that names concrete adapters."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from mesh_shared import dial
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.background import beside, forever
from mesh_shared.bell import Bell
from mesh_shared.chain import deployment
from mesh_shared.chain.keys import load_or_create
from mesh_shared.chain.rpc import Rpc
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.platform import Platform
from mesh_shared.x402.exact import SCHEME, Facilitator
from mesh_shared.x402.wire import Requirements, Resource

from mesh_coordinator.actions import PLUGIN
from mesh_coordinator.adapters.agents import HttpAgents
from mesh_coordinator.adapters.bids import TypedBids
from mesh_coordinator.adapters.chain import ChainEscrows
from mesh_coordinator.adapters.drafting import ChatDrafter
from mesh_coordinator.adapters.purse import TokenPurse
from mesh_coordinator.adapters.registry import RegistryDirectory
from mesh_coordinator.adapters.till import TokenTill
from mesh_coordinator.adapters.ways import Ways
from mesh_coordinator.api import approvals, auctions, budgets, execution, ledger, runs
from mesh_coordinator.domain.limits import Limits
from mesh_coordinator.schemas.quality import MAX_TIMEOUT_S
from mesh_coordinator.service import Coordinator
from mesh_coordinator.service.advances import Advances
from mesh_coordinator.service.approvals import ApprovalDesk
from mesh_coordinator.service.attempts import AttemptRunner
from mesh_coordinator.service.auctions import AuctionDesk
from mesh_coordinator.service.budgets import BudgetDesk
from mesh_coordinator.service.charges import Cashier
from mesh_coordinator.service.claims import Claims
from mesh_coordinator.service.conductor import Conductor
from mesh_coordinator.service.escrows import EscrowDesk
from mesh_coordinator.service.forking import ForkDesk
from mesh_coordinator.service.funding import Funding
from mesh_coordinator.service.ledger import LedgerDesk
from mesh_coordinator.service.payouts import Payouts
from mesh_coordinator.service.planning import Planner
from mesh_coordinator.service.reconciling import Reconciler
from mesh_coordinator.service.reviews import Reviews
from mesh_coordinator.service.runs import RunDesk
from mesh_coordinator.service.settling import Settling
from mesh_coordinator.service.transactions import Transactions
from mesh_coordinator.settings import Settings

ABOUT = About(
    title="371 Mesh coordinator",
    summary="Turns a task into a plan, a plan into paid steps, and results into verdicts.",
)
PAYMENT_TIME_S = 120
TOKEN_DOMAIN = {"name": "Mesh Test Token", "version": "1"}
"""EIP-712 domain of MeshToken; see `contracts/src/MeshToken.sol`."""
ROUTERS = (runs.router, approvals.router, auctions.router, budgets.router, ledger.router, execution.router)


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The service; `keys` stands in for the gateway's in tests."""

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Coordinator, None]:
        async with AsyncExitStack() as stack:
            rpc = Rpc(settings.chain_rpc_url.get_secret_value(), settings.chain_id)
            stack.push_async_callback(rpc.close)
            sender = _sender(settings, platform, rpc)
            contracts = deployment.read(settings.contracts_file)
            evaluator = load_or_create(settings.evaluator_key_file)
            escrows = ChainEscrows(rpc, contracts, sender.address, evaluator)
            directory = RegistryDirectory(platform.http, settings.registry_url or "")
            platform.checks.add("chain", rpc.ping)
            platform.checks.add("registry", directory.ping)
            ways = await stack.enter_async_context(_ways(settings))
            agents = HttpAgents(ways, platform.sessions, settings.max_answer_bytes)
            news, claims = Bell(), Claims(platform.database)
            funding, settling = _money(settings, platform, escrows, sender, news)
            attempts = AttemptRunner(
                database=platform.database,
                agents=agents,
                funding=funding,
                settling=settling,
                advances=Advances(
                    database=platform.database,
                    purse=TokenPurse(rpc, escrows.token, TOKEN_DOMAIN, sender.account),
                ),
                reviews=Reviews(database=platform.database, agents=agents, escrows=escrows, news=news),
                news=news,
            )
            conductor = _conductor(settings, platform, claims, attempts, news)
            # Not `platform.run`: these must have ended before what they use is closed, so that no agent is
            # blamed for a call that our own end cut off.
            payouts = _payouts(settings, platform, rpc, sender, escrows)
            turns = {"sender": sender.turn, "payouts": payouts.turn, "runs": conductor.turn}
            for name, turn in turns.items():
                await stack.enter_async_context(beside(forever(name, turn)))
            desk = EscrowDesk(database=platform.database, escrows=escrows)
            cashier = _cashier(settings, platform, rpc, sender, escrows)
            planner, runs_desk = _desks(
                settings, platform, claims, cashier, attempts, directory=directory, escrows=escrows
            )
            yield Coordinator(
                planner=planner,
                cashier=cashier,
                runs=runs_desk,
                forks=ForkDesk(database=platform.database, claims=claims, cashier=cashier, news=news),
                approvals=ApprovalDesk(database=platform.database, news=news),
                auctions=AuctionDesk(
                    database=platform.database,
                    signatures=TypedBids(rpc, contracts.address("MeshEscrow")),
                ),
                budgets=BudgetDesk(database=platform.database),
                ledger=LedgerDesk(database=platform.database),
                escrows=desk,
                reconciler=Reconciler(
                    database=platform.database, desk=desk, funding=funding, settling=settling
                ),
            )

    return build(ABOUT, settings, routers=ROUTERS, plugin=PLUGIN, start=start, keys=keys)


@asynccontextmanager
async def _ways(settings: Settings) -> AsyncGenerator[Ways, None]:
    private = settings.allow_private_agents
    async with (
        dial.session(allow_private=private, timeout_s=MAX_TIMEOUT_S) as strangers,
        dial.session(allow_private=True, timeout_s=MAX_TIMEOUT_S) as gateway,
    ):
        yield Ways(
            strangers=strangers,
            gateway=gateway,
            gateway_url=settings.gateway_url,
            connections=settings.connections,
        )


def _sender(settings: Settings, platform: Platform, rpc: Rpc) -> TransactionSender:
    return TransactionSender(
        platform.database,
        rpc,
        load_or_create(settings.chain_key_file),
        patience=timedelta(seconds=settings.chain_patience_s),
    )


def _money(
    settings: Settings, platform: Platform, escrows: ChainEscrows, sender: TransactionSender, news: Bell
) -> tuple[Funding, Settling]:
    database = platform.database
    transactions = Transactions(database=database, escrows=escrows, sender=sender)
    funding = Funding(
        database=database,
        escrows=escrows,
        transactions=transactions,
        news=news,
        submit_window_s=settings.submit_window_s,
        review_window_s=settings.review_window_s,
    )
    return funding, Settling(database=database, escrows=escrows, transactions=transactions)


def _payouts(
    settings: Settings, platform: Platform, rpc: Rpc, sender: TransactionSender, escrows: ChainEscrows
) -> Payouts:
    return Payouts(
        database=platform.database,
        till=TokenTill(rpc, escrows.token, TOKEN_DOMAIN, sender.account),
        sender=sender,
        every_s=settings.ledger_period_s,
    )


def _conductor(
    settings: Settings, platform: Platform, claims: Claims, attempts: AttemptRunner, news: Bell
) -> Conductor:
    return Conductor(
        database=platform.database,
        claims=claims,
        attempts=attempts,
        news=news,
        parallel_steps=settings.parallel_steps,
        limits=Limits(
            total=settings.parallel_attempts,
            per_payer=settings.parallel_per_payer,
            per_agent=settings.parallel_per_agent,
        ),
    )


def _desks(
    settings: Settings,
    platform: Platform,
    claims: Claims,
    cashier: Cashier,
    attempts: AttemptRunner,
    *,
    directory: RegistryDirectory,
    escrows: ChainEscrows,
) -> tuple[Planner, RunDesk]:
    planner = Planner(
        directory=directory,
        own_accounts=frozenset({escrows.payer.lower(), escrows.evaluator.lower()}),
        own_endpoint=platform.public_url,
        max_budget_units=settings.max_run_budget,
        ledger_limit_units=settings.ledger_limit,
        paces=attempts.paces.seconds,
        drafter=_drafter(settings, platform),
    )
    return planner, RunDesk(
        database=platform.database,
        claims=claims,
        cashier=cashier,
        planner=planner,
        attempts_per_step=settings.attempts_per_step,
        news=attempts.news,
    )


def _cashier(
    settings: Settings, platform: Platform, rpc: Rpc, sender: TransactionSender, escrows: ChainEscrows
) -> Cashier:
    price = Requirements(
        scheme=SCHEME,
        network=f"eip155:{settings.chain_id}",
        amount=str(settings.run_price),
        asset=escrows.token,
        pay_to=escrows.payer,
        max_timeout_seconds=PAYMENT_TIME_S,
        extra=TOKEN_DOMAIN | {"assetTransferMethod": "eip3009"},
    )
    return Cashier(
        database=platform.database,
        facilitator=Facilitator(rpc, sender.address),
        sender=sender,
        required=price if settings.run_price else None,
        resource=Resource(url=f"{platform.public_url}/v1/runs", description="One run of the coordinator."),
    )


def _drafter(settings: Settings, platform: Platform) -> ChatDrafter | None:
    if settings.model_url is None:
        return None
    url = settings.model_url.rstrip("/")
    return ChatDrafter(http=platform.http, url=url, model=settings.model_name, key=settings.model_key)
