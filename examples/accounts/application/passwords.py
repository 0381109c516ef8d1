"""Where the password login finds members, and how a password is changed."""

from examples.accounts.domain.member import MemberId, Members, Named
from nexios.application import ApplicationService, Forbidden, UnitOfWork, transactional
from nexios.application.login import Credential, Credentials
from nexios.application.passwords import PasswordHasher
from nexios.application.token_pairs import TokenPairs


class MemberCredentials(ApplicationService, Credentials):
    """Answers `PasswordLogin` from the members."""

    def __init__(self, uow: UnitOfWork, members: Members) -> None:
        self.uow = uow
        self._members = members

    @transactional(read_only=True)
    async def find(self, name: str) -> Credential | None:
        found = (await self._members.select(Named(name), limit=1)).items
        return Credential(found[0].identity, found[0].password_hash) if found else None

    @transactional
    async def replace(self, actor: str, stored_hash: str, *, instead_of: str) -> None:
        member = await self._members.get(MemberId.parse(actor))
        if member.password_hash == instead_of:
            member.change_password(stored_hash)


class Passwords(ApplicationService):
    """Changes the password of whoever knows the old one."""

    def __init__(
        self, uow: UnitOfWork, members: Members, hasher: PasswordHasher, pairs: TokenPairs
    ) -> None:
        self.uow = uow
        self._members = members
        self._hasher = hasher
        self._pairs = pairs

    async def change(self, id: str, old: str, new: str) -> None:
        """Change it, and end every login that was opened with the old one.

        Raises:
            Forbidden: The old password is another.
            InvalidValue: The new one cannot be.
        """
        stored = await self._stored(id)
        if not (await self._hasher.verify(old, stored)).ok:
            raise Forbidden("the old password is another")
        await self._store(id, await self._hasher.hash(new))
        await self._pairs.close_all(id)

    @transactional(read_only=True)
    async def _stored(self, id: str) -> str | None:
        return (await self._members.get(MemberId.parse(id))).password_hash

    @transactional
    async def _store(self, id: str, stored_hash: str) -> None:
        (await self._members.get(MemberId.parse(id))).change_password(stored_hash)
