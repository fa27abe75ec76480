"""Auctions: a step's agents say for how much they would do it, and the best of them does."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import selection
from mesh_coordinator.domain.run import Approval, Auction, StepStatus
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.errors import AuctionClosed, BidNotSigned, BidTooHigh, NotInvited, StepNotFound
from mesh_coordinator.ports import Bid, Signatures
from mesh_coordinator.repository.bids import Bids
from mesh_coordinator.repository.codec import CANDIDATES, REQUIREMENT, dumped
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import BidRow, RunRow, StepRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionDesk:
    """Takes bids."""

    database: Database
    signatures: Signatures

    async def bid(
        self, run_id: UUID, step_id: str, agent_id: str, price_units: int, signature: str
    ) -> BidRow:
        """The agent's bid, on record until the auction's end; a later one of the same agent's replaces it.

        Raises `RunNotFound`, `StepNotFound`, `AuctionClosed`, `NotInvited`, `BidTooHigh`, `BidNotSigned`, or
        `ChainUnavailable` when only the chain could tell whose signature it is.
        """
        now = datetime.now(UTC)
        row = BidRow(
            run_id=run_id,
            step_id=step_id,
            agent_id=agent_id,
            price_units=price_units,
            signature=signature,
            time=now,
        )
        async with self.database.read() as session:
            owner = await self._owner(session, await Runs(session).get(run_id), row)
        signed = Bid(run_id=str(run_id), step_id=step_id, agent_id=agent_id, price_units=price_units)
        if not await self.signatures.is_by(owner, signed, signature):
            raise BidNotSigned
        async with self.database.write() as session:
            run = await Runs(session).locked(run_id)
            await self._owner(session, run, row)  # what was open may be closed by now
            if await Bids(session).put(row):
                data = {"step": step_id, "agent_id": agent_id}
                Runs(session).happened(run, "step.bid", data, now)
        return row

    async def _owner(self, session: AsyncSession, run: RunRow, bid: BidRow) -> str:
        """Whose word counts for the bid, which may be made now."""
        step = await Runs(session).find_step(run.id, bid.step_id)
        if step is None:
            raise StepNotFound
        is_open = step.auction == Auction.OPEN and step.status == StepStatus.TAKING_BIDS
        if not is_open or run.stopping is not None or step.bids_until is None or bid.time >= step.bids_until:
            raise AuctionClosed
        candidate = _invited(step, bid.agent_id)
        if candidate is None:
            raise NotInvited
        max_price_units = REQUIREMENT.validate_python(step.requirement).max_price_units
        limit = run.budget_units if max_price_units is None else min(max_price_units, run.budget_units)
        if bid.price_units > limit:
            raise BidTooHigh(limit)
        return candidate.owner


def _invited(step: StepRow, agent_id: str) -> Candidate | None:
    candidates = CANDIDATES.validate_python(step.candidates)
    return next((one for one in candidates if one.is_accepted and one.agent_id == agent_id), None)


async def award(session: AsyncSession, step: StepRow) -> None:
    """Puts those who bid first, at their prices; the others are not tried. Without a bid it was in vain.

    As many as before may be tried. A person is asked when that costs more than they let pass unasked.
    """
    wanted = REQUIREMENT.validate_python(step.requirement)
    prices = await Bids(session).prices(step.run_id, step.id)
    step.status = StepStatus.PENDING
    if not prices:
        step.auction = Auction.IN_VAIN
        return
    candidates = selection.awarded(wanted, CANDIDATES.validate_python(step.candidates), prices)
    tried = [one.agent_id for one in candidates if one.is_accepted][: len(step.agents)]
    step.candidates, step.agents = dumped(CANDIDATES, candidates), tried
    step.auction = Auction.AWARDED
    above = wanted.asks_above_units
    step.approval = None if above is None or step.dearest_units <= above else Approval.NEEDED
