"""Looking after members: who there is, and what roles they have."""

from collections.abc import Sequence
from typing import Final

from examples.accounts.domain.member import Member, MemberId, Members, Named
from nexios.application import (
    ApplicationService,
    Caller,
    Decision,
    Policies,
    Policy,
    Roles,
    UnitOfWork,
    allow,
    deny,
    transactional,
)
from nexios.domain import InvalidValue, NotFound, Page

ROLES: Final = Roles(
    {
        "moderator": {"permissions": ["members:read"]},
        "admin": {"includes": ["moderator"], "permissions": ["members:appoint"]},
    }
)


class MaySee(Policy[Member]):
    """Oneself, and for moderators everybody; nobody else learns who there is."""

    async def __call__(self, caller: Caller, loaded: Member) -> Decision:
        if caller.actor == loaded.identity or caller.can("members:read"):
            return allow()
        return deny("somebody else", hide=True)


class MayAppoint(Policy[Member]):
    """Everybody but oneself: the last admin cannot step down by mistake."""

    audit = True

    async def __call__(self, caller: Caller, loaded: Member) -> Decision:
        return deny("oneself") if caller.actor == loaded.identity else allow()


class Roster(ApplicationService):
    """Shows members and appoints them."""

    def __init__(self, uow: UnitOfWork, members: Members, policies: Policies) -> None:
        self.uow = uow
        self._members = members
        self._policies = policies

    @transactional(read_only=True)
    async def page(self, limit: int, after: str | None) -> Page[Member]:
        """Return one page of all members."""
        return await self._members.select(limit=limit, after=after)

    @transactional(read_only=True)
    async def member(self, id: MemberId) -> Member:
        """Return one member, to those who may see them."""
        found = await self._members.find(id)
        return await self._policies.require(
            MaySee, found, missing=NotFound("there is no such member")
        )

    @transactional
    async def appoint(self, id: MemberId, roles: Sequence[str]) -> Member:
        """Replace the roles of a member.

        Raises:
            InvalidValue: There is no such role.
            NotFound: There is no such member.
            Forbidden: It is oneself.
        """
        _check(roles)
        member = await self._policies.require(MayAppoint, await self._members.get(id))
        member.appoint(tuple(roles))
        return member

    @transactional
    async def appoint_named(self, name: str, roles: Sequence[str]) -> Member:
        """The same by name; what `python -m examples.accounts.appoint` calls."""
        _check(roles)
        found = (await self._members.select(Named(name), limit=1)).items
        if not found:
            raise NotFound("there is no such member", name=name)
        found[0].appoint(tuple(roles))
        return found[0]


def _check(roles: Sequence[str]) -> None:
    for role in roles:
        if role not in ROLES.names:
            raise InvalidValue(f"there is no such role; there are: {', '.join(ROLES.names)}")
