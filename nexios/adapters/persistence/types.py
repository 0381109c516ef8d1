"""Three column types that mean the same on every store."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Numeric, String, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from nexios.domain.errors import InvalidValue
from nexios.domain.values import Identity

# A 64-bit integer holds every number of so many digits.
_MAX_PRECISION: Final = 18


class IdentityType(TypeDecorator[Any]):
    """An ``Identity`` of one class: ``Column("id", IdentityType(OrderId), primary_key=True)``.

    UUID on PostgreSQL; on SQLite 36-character text, which sorts as the UUID does.
    """

    impl = Uuid
    cache_ok = True

    def __init__(self, identity: type[Identity]) -> None:
        """Take the class that is read and accepted."""
        super().__init__()
        self.identity = identity

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return text for SQLite, the native type elsewhere."""
        kind: TypeEngine[Any] = String(36) if dialect.name == "sqlite" else Uuid()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse an identity of another class."""
        if value is None:
            return None
        identity = self.identity.parse(value)
        return str(identity) if dialect.name == "sqlite" else identity

    def process_result_value(self, value: Any, dialect: Dialect) -> Identity | None:  # noqa: ARG002
        """Return the identity."""
        if value is None:
            return None
        return self.identity.parse(value if isinstance(value, UUID) else str(value))


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Naive values are refused; what comes back is in UTC, to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return text of fixed width for SQLite, which sorts as the instants do."""
        kind: TypeEngine[Any] = String(32) if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a datetime without timezone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidValue("a point in time needs a timezone")
        instant = value.astimezone(UTC)
        # The very form raw SQL gets from parameters.py, or the two would not compare.
        return instant.isoformat(" ", "microseconds") if dialect.name == "sqlite" else instant

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the instant in UTC."""
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal that is never rounded: NUMERIC on PostgreSQL, a scaled integer on SQLite.

    So order, comparison and SUM stay exact on both. More digits than fit are refused.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int = 18, scale: int = 4) -> None:
        """Take digits altogether and digits after the point."""
        if not 0 <= scale <= precision <= _MAX_PRECISION:
            raise ValueError(
                f"0 <= scale <= precision <= {_MAX_PRECISION}; got {precision} and {scale}"
            )
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale
        self._bound = Decimal(10) ** (precision - scale)
        self._step = Decimal(1).scaleb(-scale)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return an integer for SQLite."""
        kind: TypeEngine[Any] = (
            BigInteger() if dialect.name == "sqlite" else Numeric(self.precision, self.scale)
        )
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse floats, what is not a number, and more digits than the column has."""
        if value is None:
            return None
        exact = self._exact(value)
        return int(exact.scaleb(self.scale)) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the decimal, always with ``scale`` digits after the point."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return Decimal(value).scaleb(-self.scale).quantize(self._step)
        return Decimal(value).quantize(self._step)

    def _exact(self, value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise InvalidValue("an exact number is a Decimal or an int")
        number = Decimal(value)
        if not number.is_finite() or abs(number) >= self._bound:
            raise InvalidValue(f"a number of at most {self.precision - self.scale} whole digits")
        exact = number.quantize(self._step)
        if exact != number:
            raise InvalidValue(f"a number of at most {self.scale} digits after the point")
        return exact
