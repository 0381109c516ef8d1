"""Policies: rules on a loaded object, without HTTP."""

from dataclasses import dataclass

import pytest

from nexios.application.caller import Caller
from nexios.application.errors import Forbidden, Unavailable
from nexios.application.policies import Decision, NeedyPolicy, Policies, Policy, allow, deny
from nexios.application.security_events import SecurityEvent
from nexios.domain.errors import NotFound
from nexios.testing.security import KeptSecurityEvents

pytestmark = pytest.mark.asyncio


@dataclass
class Order:
    id: str
    owner: str


class OrderMissing(NotFound):
    pass


class MayEdit(Policy[Order]):
    async def __call__(self, caller: Caller, loaded: Order) -> Decision:
        return allow() if loaded.owner == caller.actor else deny("not the owner")


class MaySee(Policy[Order]):
    audit = True

    async def __call__(self, caller: Caller, loaded: Order) -> Decision:
        return allow() if loaded.owner == caller.actor else deny("not the owner", hide=True)


class Breaks(Policy[Order]):
    async def __call__(self, caller: Caller, loaded: Order) -> Decision:
        raise Unavailable("the directory does not answer")


ORDER = Order("o-1", "ada")


def policies(actor: str | None, events: KeptSecurityEvents | None = None) -> Policies:
    return Policies(Caller(actor=actor, scheme="jwt"), events=events)


async def test_the_owner_gets_the_object_back() -> None:
    assert await policies("ada").require(MayEdit, ORDER) is ORDER


async def test_another_is_forbidden_and_not_told_why() -> None:
    with pytest.raises(Forbidden) as refusal:
        await policies("bob").require(MayEdit, ORDER)

    assert "owner" not in str(refusal.value)


async def test_a_hidden_object_looks_like_a_missing_one() -> None:
    missing = OrderMissing("there is no such order")

    with pytest.raises(OrderMissing) as hidden:
        await policies("bob").require(MaySee, ORDER, missing=missing)
    with pytest.raises(OrderMissing) as absent:
        await policies("bob").require(MaySee, None, missing=missing)

    assert hidden.value is absent.value


async def test_a_hidden_object_without_words_for_it_is_not_found() -> None:
    with pytest.raises(NotFound):
        await policies("bob").require(MaySee, ORDER)


async def test_nobody_is_not_the_owner() -> None:
    assert not await policies(None).allows(MayEdit, ORDER)


async def test_a_policy_that_breaks_denies(caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptSecurityEvents()

    with pytest.raises(Forbidden):
        await policies("ada", kept).require(Breaks, ORDER)

    assert [event.reason for event in kept.events] == ["broke: Unavailable"]
    assert "policy Breaks broke" in caplog.text


async def test_refusals_are_noted_and_grants_where_the_policy_says_so() -> None:
    kept = KeptSecurityEvents()

    await policies("ada", kept).allows(MayEdit, ORDER)
    await policies("bob", kept).allows(MayEdit, ORDER)
    await policies("ada", kept).allows(MaySee, ORDER)

    told = {"object": "Order", "id": "o-1"}
    assert kept.events == [
        SecurityEvent(
            "access.denied", "denied", "bob", "jwt", "not the owner", {"policy": "MayEdit", **told}
        ),
        SecurityEvent("access.allowed", "allowed", "ada", "jwt", "", {"policy": "MaySee", **told}),
    ]


async def test_without_a_place_for_events_they_go_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await policies("b\nob").allows(MayEdit, ORDER)

    (record,) = caplog.records
    assert record.name == "nexios.security"
    assert record.getMessage() == (
        'access.denied denied {"actor": "b\\nob", "scheme": "jwt", "reason": "not the owner",'
        ' "policy": "MayEdit", "object": "Order", "id": "o-1"}'
    )


async def test_a_policy_may_be_an_object_with_settings() -> None:
    class MaySpend(Policy[Order]):
        def __init__(self, at_most: int) -> None:
            self.at_most = at_most

        async def __call__(self, caller: Caller, loaded: Order) -> Decision:
            return allow() if self.at_most > 5 else deny("too much")

    assert await policies("ada").allows(MaySpend(9), ORDER)
    with pytest.raises(NeedyPolicy, match="MaySpend cannot be made without") as refusal:
        await policies("ada").allows(MaySpend, ORDER)
    assert "ask for it beside Policies" in str(refusal.value)
    assert not await policies("ada").allows(MaySpend(1), ORDER)
