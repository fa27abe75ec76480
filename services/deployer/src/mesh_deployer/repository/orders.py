"""The simulated market's book, and what we know of orders elsewhere."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Update, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from mesh_deployer.errors import OrderNotOpen
from mesh_deployer.repository.tables import RemoteOrderRow, SimulatedOrderRow


class SimulatedOrders:
    """Every query on `simulated_orders`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, row: SimulatedOrderRow) -> None:
        """Enters a new order."""
        self._session.add(row)

    async def find(self, order_id: UUID) -> SimulatedOrderRow | None:
        """The order, locked, or None."""
        return await self._session.get(SimulatedOrderRow, order_id, with_for_update=True)

    async def get(self, order_id: UUID) -> SimulatedOrderRow:
        """The order, locked. Raises `OrderNotOpen` when there is none."""
        row = await self.find(order_id)
        if row is None:
            raise OrderNotOpen
        return row

    async def held(self) -> Sequence[UUID]:
        """The orders that are not closed."""
        query = select(SimulatedOrderRow.order_id).where(SimulatedOrderRow.state != "closed")
        return (await self._session.scalars(query)).all()


class RemoteOrders:
    """Every query on `remote_orders` of one backend. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession, backend: str) -> None:
        self._session = session
        self._backend = backend

    async def find(self, order_id: UUID) -> RemoteOrderRow | None:
        """The order, or None."""
        return await self._session.get(RemoteOrderRow, (order_id, self._backend))

    def add(self, order_id: UUID, *, dseq: int | None, resources: str) -> RemoteOrderRow:
        """Enters an order that is about to be opened."""
        row = RemoteOrderRow(
            order_id=order_id,
            backend=self._backend,
            number=1,
            dseq=dseq,
            resources=resources,
            has_manifest=False,
        )
        self._session.add(row)
        return row

    async def set(self, order_id: UUID, **values: object) -> None:
        """Writes what was found out."""
        mine = (RemoteOrderRow.order_id == order_id, RemoteOrderRow.backend == self._backend)
        await self._session.execute(update(RemoteOrderRow).where(*mine).values(**values))

    async def intend(self, order_id: UUID, now: int, until: int) -> bool:
        """Notes that something is about to be sent, unless something else may still come true."""
        mine = (RemoteOrderRow.order_id == order_id, RemoteOrderRow.backend == self._backend)
        is_free = RemoteOrderRow.void_after.is_(None) | (RemoteOrderRow.void_after < now)
        query = update(RemoteOrderRow).where(*mine, is_free).values(void_after=until)
        return await self._changes(query)

    async def claim(self, order_id: UUID, dseq: int) -> bool:
        """Gives an order its number; false when it has one, or the number belongs to another order."""
        other = aliased(RemoteOrderRow)
        taken = exists().where(other.backend == self._backend, other.dseq == dseq)
        mine = (RemoteOrderRow.order_id == order_id, RemoteOrderRow.backend == self._backend)
        is_free = (RemoteOrderRow.dseq.is_(None), ~taken)
        query = update(RemoteOrderRow).where(*mine, *is_free).values(dseq=dseq, void_after=None)
        return await self._changes(query)

    async def _changes(self, query: Update) -> bool:
        result = await self._session.execute(query.returning(RemoteOrderRow.order_id))
        return result.first() is not None

    async def held(self) -> Sequence[UUID]:
        """The orders that were not closed."""
        mine = (RemoteOrderRow.backend == self._backend, RemoteOrderRow.reason.is_(None))
        return (await self._session.scalars(select(RemoteOrderRow.order_id).where(*mine))).all()
