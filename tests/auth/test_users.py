"""Users, and nobody."""

import pytest

from nexios.auth.users import ANONYMOUS_USER, BaseUser, SimpleUser


def test_nobody_is_falsy_and_may_nothing() -> None:
    assert not ANONYMOUS_USER
    assert ANONYMOUS_USER.is_authenticated is False
    assert ANONYMOUS_USER.identity is None
    assert ANONYMOUS_USER.display_name == ""
    assert ANONYMOUS_USER.has_permission("") is False


@pytest.mark.asyncio
async def test_a_simple_user_has_a_name_and_permissions() -> None:
    user = SimpleUser("ada", ["read"])
    assert user
    assert user.is_authenticated
    assert user.identity == user.display_name == "ada"
    assert user.has_permission("read")
    assert not user.has_permission("rea")
    assert (await SimpleUser.load_user("grace")).username == "grace"
    with pytest.raises(NotImplementedError, match=r"BaseUser\.load_user"):
        await BaseUser.load_user("x")
