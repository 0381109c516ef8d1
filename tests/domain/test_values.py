import copy
import pickle
from dataclasses import FrozenInstanceError
from decimal import Decimal
from uuid import UUID

import pytest

from nexios.domain import Identity, InvalidValue, ValueObject


class OrderId(Identity): ...


class CustomerId(Identity): ...


class Money(ValueObject):
    amount: Decimal
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise InvalidValue("money cannot be negative")


class Rank(ValueObject, order=True):
    points: int


def test_values_are_equal_by_content_and_hashable() -> None:
    assert Money(Decimal(1)) == Money(Decimal(1))
    assert Money(Decimal(1)) != Money(Decimal(1), "USD")
    assert len({Money(Decimal(1)), Money(Decimal(1))}) == 1


def test_a_value_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        Money(Decimal(1)).amount = Decimal(2)  # type: ignore[misc]


def test_with_checks_the_invariants_again() -> None:
    assert Money(Decimal(1)).with_(currency="USD") == Money(Decimal(1), "USD")
    with pytest.raises(InvalidValue):
        Money(Decimal(1)).with_(amount=Decimal(-1))


def test_with_refuses_a_field_that_is_not_there() -> None:
    with pytest.raises(TypeError):
        Money(Decimal(1)).with_(colour="red")


def test_values_order_only_when_asked_to() -> None:
    assert Rank(1) < Rank(2)
    with pytest.raises(TypeError):
        Money(Decimal(1)) < Money(Decimal(2))  # type: ignore[operator]  # noqa: B015


def test_identities_of_two_kinds_are_never_equal() -> None:
    order = OrderId.new()
    assert order == OrderId(str(order))
    assert order != CustomerId(str(order))
    assert CustomerId(str(order)) != order
    assert order != UUID(str(order))
    assert UUID(str(order)) != order
    assert len({order, CustomerId(str(order)), UUID(str(order))}) == 3


def test_an_identity_survives_copy_and_pickle() -> None:
    order = OrderId.new()
    assert copy.deepcopy(order) == order
    assert pickle.loads(pickle.dumps(order)) == order
    assert type(copy.copy(order)) is OrderId


def test_new_identities_are_version_7_of_the_rfc_variant() -> None:
    made = [OrderId.new() for _ in range(1000)]
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {"specified in RFC 4122"}
    assert len(set(made)) == 1000


def test_identities_of_later_milliseconds_sort_later(monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = iter([1_000_000_000_000_000_000, 1_000_000_000_001_000_000])
    monkeypatch.setattr("time.time_ns", lambda: next(stamps))
    first, second = OrderId.new(), OrderId.new()
    assert first < second
    assert first.int >> 80 == 1_000_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0190b8a0-0000-7000-8000-00000000000",
        "{0190b8a0-0000-7000-8000-000000000000}",
        "urn:uuid:0190b8a0-0000-7000-8000-000000000000",
        "0190b8a000007000800000000000000a",
        "0190b8a0_0000_7000_8000_000000000000",
        "0190b8a0-0000-7000-8000-000000000000\n",
        "٠190b8a0-0000-7000-8000-000000000000",
        None,
        7,
        b"0190b8a0-0000-7000-8000-000000000000",
    ],
)
def test_parse_takes_one_spelling_only(text: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        OrderId.parse(text)
    assert refusal.value.code == "invalid-value"


def test_parse_takes_its_own_kind_plain_uuids_and_either_case() -> None:
    order = OrderId.new()
    assert OrderId.parse(order) is order
    assert OrderId.parse(UUID(str(order))) == order
    assert OrderId.parse(str(order).upper()) == order


def test_parse_refuses_the_identity_of_something_else() -> None:
    with pytest.raises(InvalidValue):
        OrderId.parse(CustomerId.new())
