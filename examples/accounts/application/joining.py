"""Becoming a member, by a password or by a provider."""

import re
from typing import Final

from examples.accounts.domain.member import Member, MemberId, Members, VouchedBy
from nexios.application import ApplicationService, UnitOfWork, transactional
from nexios.application.passwords import PasswordHasher

_ODD: Final = re.compile(r"[^a-z0-9]+")


class Joining(ApplicationService):
    """Takes members in, and finds them again."""

    def __init__(self, uow: UnitOfWork, members: Members, hasher: PasswordHasher) -> None:
        self.uow = uow
        self._members = members
        self._hasher = hasher

    async def sign_up(self, name: str, password: str) -> Member:
        """Take somebody in.

        Raises:
            AlreadyExists: The name is taken.
            InvalidValue: Name or password cannot be.
        """
        # Hashing takes longer than everything else: not inside the transaction.
        return await self._take_in(Member.signed_up(name, await self._hasher.hash(password)))

    @transactional
    async def _take_in(self, member: Member) -> Member:
        self._members.add(member)
        return member

    @transactional
    async def known(self, by: str, likes: str) -> Member:
        """Return the member for whom a provider vouches; a new one the first time.

        Args:
            by: Provider and subject: what stays the same.
            likes: How they want to be called; others may have the name already.
        """
        found = (await self._members.select(VouchedBy(by), limit=1)).items
        if found:
            return found[0]
        stem = _ODD.sub("-", likes.lower()).strip("-")[:20] or "member"
        member = Member.vouched(f"{stem}-{MemberId.new().hex[-8:]}", by)
        self._members.add(member)
        return member

    @transactional(read_only=True)
    async def member(self, id: str) -> Member | None:
        """Return a member as they are now, or None."""
        return await self._members.find(MemberId.parse(id))
