"""Accounts and transfers: what a store loses or doubles shows as money."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory import MemoryRepository
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.sql import SqlRepository
from nexios.adapters.persistence.tables import tables
from nexios.adapters.persistence.types import IdentityType
from nexios.adapters.persistence.unit import TrackingUnitOfWork
from nexios.domain import AggregateRoot, DomainEvent, Identity, RuleViolated


class AccountId(Identity): ...


class Moved(DomainEvent, name="bank.moved"):
    account: AccountId
    cents: int
    text: str = ""


class Account(AggregateRoot[AccountId]):
    cents: int
    booked: int = 0

    @classmethod
    def open(cls, cents: int) -> "Account":
        return cls(id=AccountId.new(), cents=cents)

    def move(self, cents: int, text: str = "") -> None:
        if self.cents + cents < 0:
            raise RuleViolated("an account cannot be overdrawn")
        self.cents += cents
        self.booked += 1
        self.record(Moved(account=self.id, cents=cents, text=text))


METADATA = MetaData()
ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("id", IdentityType(AccountId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("cents", Integer, nullable=False),
)
BOOKINGS = Table(
    "bookings",
    METADATA,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("text", String(20), nullable=False),
)
tables(METADATA)


class AccountMapper(Mapper[Account]):
    root = ACCOUNTS
    children = (BOOKINGS,)

    def dump(self, aggregate: Account) -> Rows:
        bookings = [
            {"account_id": aggregate.id, "number": number, "text": "booked"}
            for number in range(aggregate.booked)
        ]
        return {
            "accounts": [{"id": aggregate.id, "cents": aggregate.cents}],
            "bookings": bookings,
        }

    def load(self, rows: Rows) -> Account:
        (row,) = rows["accounts"]
        return Account(id=row["id"], cents=row["cents"], booked=len(rows.get("bookings", ())))


class SqlAccounts(SqlRepository[Account, AccountId]):
    mapper = AccountMapper()


class MemoryAccounts(MemoryRepository[Account, AccountId]):
    mapper = AccountMapper()


@dataclass
class Transfer:
    """One use case: takes from one account, gives to another."""

    unit: TrackingUnitOfWork
    accounts: Any

    async def open(self, *cents: int) -> list[AccountId]:
        """Open an account for each sum."""
        made = [Account.open(one) for one in cents]

        async def work() -> None:
            for one in made:
                self.accounts.add(one)

        await self.unit.run(work)
        return [one.id for one in made]

    async def move(
        self, source: AccountId, target: AccountId, cents: int, *, retries: int = 2
    ) -> None:
        """Move money."""

        async def work() -> None:
            (await self.accounts.get(source)).move(-cents)
            (await self.accounts.get(target)).move(cents)

        await self.unit.run(work, retries=retries, name="Bank.move")
