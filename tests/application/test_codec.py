import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.application.codec import (
    SameEventName,
    UncodableField,
    check_events,
    dump_event,
    load_event,
)
from nexios.domain import DomainError, DomainEvent, Identity, InvalidValue, ValueObject


class OrderId(Identity): ...


class Money(ValueObject):
    amount: Decimal
    currency: str = "EUR"


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Everything(DomainEvent, name="test.everything"):
    order: OrderId
    plain: UUID
    text: str
    number: int
    ratio: float
    yes: bool
    money: Money
    at: datetime
    day: date
    colour: Colour
    maybe: Money | None
    several: tuple[Money, ...]
    pair: tuple[int, str]
    many: list[OrderId]
    named: dict[str, Decimal]
    note: str = ""


class Lifted(DomainEvent, name="test.lifted", version=2):
    full_name: str

    @classmethod
    def upgrade(cls, version: int, data: dict[str, object]) -> dict[str, object]:
        return {"full_name": f"{data['first']} {data['last']}"}


class Small(DomainEvent, name="test.small"):
    value: int = 0
    ratio: float = 0.0
    at: datetime | None = None
    amount: Decimal = Decimal(0)


instants = st.datetimes(timezones=st.just(UTC))
money = st.builds(Money, st.decimals(allow_nan=False, allow_infinity=False), st.text())
identities = st.uuids().map(lambda one: OrderId(int=one.int))


@given(
    st.builds(
        Everything,
        order=identities,
        plain=st.uuids(),
        text=st.text(),
        number=st.integers(),
        ratio=st.floats(allow_nan=False, allow_infinity=False),
        yes=st.booleans(),
        money=money,
        at=instants,
        day=st.dates(),
        colour=st.sampled_from(Colour),
        maybe=st.none() | money,
        several=st.lists(money, max_size=3).map(tuple),
        pair=st.tuples(st.integers(), st.text()),
        many=st.lists(identities, max_size=3),
        named=st.dictionaries(
            st.text(), st.decimals(allow_nan=False, allow_infinity=False), max_size=3
        ),
    )
)
def test_an_event_comes_back_from_json_as_it_was(event: Everything) -> None:
    stored = json.loads(json.dumps(dump_event(event), allow_nan=False))
    back = load_event(Everything, 1, stored)
    assert back == event
    assert isinstance(back, Everything)
    assert type(back.order) is OrderId
    assert str(back.money.amount) == str(event.money.amount)


def test_no_class_path_is_stored() -> None:
    text = json.dumps(dump_event(Small()))
    assert "Small" not in text
    assert "test" not in text


def test_another_timezone_comes_back_as_the_same_instant() -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    back = load_event(Small, 1, dump_event(Small(at=at)))
    assert isinstance(back, Small)
    assert back.at == at


@pytest.mark.parametrize(
    "event",
    [
        Small(value="7"),  # type: ignore[arg-type]
        Small(value=True),
        Small(ratio=math.nan),
        Small(ratio=math.inf),
        Small(at=datetime(2026, 1, 1)),  # noqa: DTZ001
        Small(amount=Decimal("NaN")),
        Small(amount=1.5),  # type: ignore[arg-type]
    ],
)
def test_values_that_are_not_what_they_say_are_refused(event: Small) -> None:
    with pytest.raises(InvalidValue):
        dump_event(event)


@pytest.mark.parametrize(
    "data",
    [
        {"value": "7"},
        {"value": 1.5},
        {"ratio": "x"},
        {"at": "yesterday"},
        {"at": 5},
        {"amount": 1.5},
        {"amount": "x"},
        {"other": 1},
    ],
)
def test_stored_fields_that_do_not_fit_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        load_event(Small, 1, data)


def test_a_missing_field_takes_its_default_or_is_refused() -> None:
    assert load_event(Small, 1, {}) == Small()
    with pytest.raises(InvalidValue, match="do not fit"):
        load_event(Lifted, 2, {})


def test_old_payloads_are_lifted_and_newer_ones_refused() -> None:
    assert load_event(Lifted, 1, {"first": "A", "last": "B"}) == Lifted(full_name="A B")
    with pytest.raises(DomainError, match="stored in version 3"):
        load_event(Lifted, 3, {})


def test_an_event_that_cannot_be_stored_is_found_at_start() -> None:
    class Odd(DomainEvent, name="test.odd"):
        thing: object

    class Either(DomainEvent, name="test.either"):
        value: int | str

    class Keys(DomainEvent, name="test.keys"):
        value: dict[int, str]

    for event_type, field in ((Odd, "thing"), (Either, "value"), (Keys, "value")):
        with pytest.raises(UncodableField, match=rf"{event_type.__name__}\.{field}"):
            check_events([event_type])


def test_two_classes_of_one_name_are_found_at_start() -> None:
    class Twin(DomainEvent, name="test.small"):
        pass

    with pytest.raises(SameEventName, match=r'both "test\.small"'):
        check_events([Small, Twin])
    check_events([Small, Small, Lifted])


def test_another_identity_under_the_same_number_is_refused() -> None:
    class Named(DomainEvent, name="test.named"):
        order: OrderId

    with pytest.raises(InvalidValue):
        dump_event(Named(order=uuid4()))  # type: ignore[arg-type]
