"""Reservations in a table: one mapper, two repositories."""

from examples.shop.catalog.adapters.persistence.tables import reservations
from examples.shop.catalog.domain.reservation import Outcome, Reservation, Reservations
from examples.shop.catalog.domain.values import ReservationId
from nexios.adapters.persistence import Mapper, MemoryRepository, Rows, SqlRepository


class ReservationMapper(Mapper[Reservation]):
    """One row for each decision."""

    root = reservations

    def dump(self, reservation: Reservation) -> Rows:
        return {"reservations": [{"id": reservation.id, "outcome": reservation.outcome.value}]}

    def load(self, rows: Rows) -> Reservation:
        (row,) = rows["reservations"]
        return Reservation(id=ReservationId.parse(row["id"]), outcome=Outcome(row["outcome"]))


class SqlReservations(SqlRepository[Reservation, ReservationId], Reservations):
    """Reservations in SQLite or PostgreSQL."""

    mapper = ReservationMapper()


class MemoryReservations(MemoryRepository[Reservation, ReservationId], Reservations):
    """Reservations in memory, for tests and play."""

    mapper = ReservationMapper()
