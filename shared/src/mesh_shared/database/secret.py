"""Secrets of a service that all its replicas share, made at first start."""

import secrets

from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from mesh_shared.database.engine import Database
from mesh_shared.events.outbox import Foundation


class SecretRow(Foundation):
    __tablename__ = "service_secrets"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


async def service_secret(database: Database, name: str) -> str:
    """The secret `name`, the same for every replica and every start."""
    try:
        async with database.write() as session:
            if (
                known := await session.scalar(select(SecretRow.value).where(SecretRow.name == name))
            ) is not None:
                return known
            session.add(SecretRow(name=name, value=secrets.token_hex(32)))
    except IntegrityError:
        pass  # another replica was first
    async with database.read() as session:
        return (await session.get_one(SecretRow, name)).value
