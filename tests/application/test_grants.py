"""Roles and grants: what they stand for, and that nothing widens them by accident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.application.caller import Caller
from nexios.application.grants import Grants, Roles, RolesRefused, names_in, scopes_in

SHOP = Roles(
    {
        "viewer": {"permissions": ["orders:read"]},
        "clerk": {"includes": ["viewer"], "permissions": ["orders:write"]},
        "admin": {"permissions": ["orders:*"]},
    }
)


def of(*roles: str, **more: frozenset[str] | None) -> Grants:
    return SHOP.grants(frozenset(roles), **more)


def test_a_role_stands_for_what_it_includes() -> None:
    clerk = of("clerk")

    assert clerk.roles == {"clerk", "viewer"}
    assert clerk.can("orders:read")
    assert clerk.can("orders:write")
    assert not clerk.can("orders:delete")


@pytest.mark.parametrize(
    ("permission", "given_it"),
    [
        ("orders:read", True),
        ("orders:lines:read", True),
        ("orders:", True),
        ("orders", False),
        ("ordersx:read", False),
        ("order:read", False),
        ("", False),
        ("Orders:read", False),
    ],
)
def test_a_wildcard_is_all_below_and_not_the_segment_itself(
    permission: str, given_it: bool
) -> None:
    assert of("admin").can(permission) is given_it


def test_a_star_alone_is_everything() -> None:
    root = Roles({"root": {"permissions": ["*"]}}).grants(frozenset(["root"]))

    assert root.can("anything:at:all")


@pytest.mark.parametrize("pattern", ["*:read", "or*", "orders:*:read", "orders**", "", "a:**"])
def test_a_wildcard_stands_only_as_the_last_segment(pattern: str) -> None:
    with pytest.raises(RolesRefused, match="stands for the last segment"):
        Roles({"odd": {"permissions": [pattern]}})


def test_a_pattern_of_the_user_that_is_none_is_a_plain_name() -> None:
    odd = of(permissions=frozenset(["or*", "*:read"]))

    assert not odd.can("orders")
    assert not odd.can("orders:read")


def test_a_role_cycle_is_refused_with_the_ring() -> None:
    with pytest.raises(RolesRefused) as refusal:
        Roles({"a": {"includes": ["b"]}, "b": {"includes": ["c"]}, "c": {"includes": ["a"]}})

    assert str(refusal.value) == "role 'a' includes itself: a -> b -> c -> a"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"clerk": {"includes": ["viever"]}, "viewer": {}}, "'viever', which is not there"),
        ({"clerk": {"permission": ["x"]}}, "did you mean 'permissions'?"),
        ({"clerk": {"permissions": "orders:read"}}, "is a list of names"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, dict], says: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(RolesRefused, match=says.replace("?", r"\?")):
        Roles(table)  # type: ignore[arg-type]


def test_an_unknown_role_gives_nothing_but_its_name() -> None:
    stranger = of("auditor")

    assert stranger.roles == {"auditor"}
    assert stranger.permissions == frozenset()


def test_scopes_narrow_and_never_add() -> None:
    narrow = of("clerk", scopes=frozenset(["orders:read", "invoices:read"]))

    assert narrow.can("orders:read")
    assert not narrow.can("orders:write")
    assert not narrow.can("invoices:read")


def test_an_empty_scope_allows_nothing() -> None:
    assert not of("admin", scopes=frozenset()).can("orders:read")


NAMES = st.sampled_from(["orders:read", "orders:*", "orders", "*", "a:b", "a:*", "x", "or*"])


@given(
    st.frozensets(st.sampled_from(["viewer", "clerk", "admin"])),
    st.frozensets(NAMES),
    st.frozensets(NAMES),
    NAMES,
)
def test_a_scoped_caller_may_never_more_than_an_unscoped_one(
    roles: frozenset[str], own: frozenset[str], scopes: frozenset[str], asked: str
) -> None:
    scoped = SHOP.grants(roles, own, scopes)

    assert not scoped.can(asked) or SHOP.grants(roles, own).can(asked)


def test_which_roles_give_a_permission() -> None:
    assert SHOP.giving("orders:write") == ("clerk", "admin")
    assert SHOP.giving("orders:write", "invoices:read") == ()


def test_the_caller_says_what_it_can() -> None:
    assert Caller(actor="ada", grants=of("viewer")).can("orders:read")
    assert not Caller(actor="ada").can("orders:read")


@pytest.mark.parametrize(
    ("value", "names"),
    [("readwrite", set()), (None, set()), (5, set()), ([1, "a"], {"a"}), ({"a", "b"}, {"a", "b"})],
)
def test_names_are_read_from_lists_only(value: object, names: set[str]) -> None:
    assert names_in(value) == names


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, None),
        ({"scope": "a b"}, {"a", "b"}),
        ({"scope": ["a", "b"]}, {"a", "b"}),
        ({"scope": ""}, set()),
        ({"scope": 7}, set()),
        ({"scope": None}, set()),
    ],
)
def test_scopes_of_a_token(claims: dict[str, object], scopes: set[str] | None) -> None:
    assert scopes_in(claims) == scopes
