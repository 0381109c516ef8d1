"""The member, and the port to all members."""

import re
from typing import Final

from nexios.domain import AggregateRoot, Identity, InvalidValue, Repository, Specification

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,30}[a-z0-9]")


class MemberId(Identity):
    """Which member; it never changes, a name might."""


class Member(AggregateRoot[MemberId]):
    """Somebody who may log in: by a password, or at a provider that vouches for them."""

    name: str
    password_hash: str | None = None
    vouched_by: str | None = None
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidValue("a name is 3 to 32 of a-z, 0-9, '_' and '-'")

    @classmethod
    def signed_up(cls, name: str, password_hash: str) -> "Member":
        """Begin with a password and without any role."""
        return cls(id=MemberId.new(), name=name, password_hash=password_hash)

    @classmethod
    def vouched(cls, name: str, by: str) -> "Member":
        """Begin with a provider that vouches, and without a password."""
        return cls(id=MemberId.new(), name=name, vouched_by=by)

    @property
    def identity(self) -> str:
        """What guards, sessions and tokens call them."""
        return str(self.id)

    def appoint(self, roles: tuple[str, ...]) -> None:
        """Replace the roles."""
        self.roles = tuple(sorted(set(roles)))

    def change_password(self, password_hash: str) -> None:
        """Keep another hash."""
        self.password_hash = password_hash


class Named(Specification[Member]):
    """The member of this name."""

    name: str

    def __call__(self, member: Member) -> bool:
        return member.name == self.name


class VouchedBy(Specification[Member]):
    """The member for whom this provider vouches under this name of its own."""

    by: str

    def __call__(self, member: Member) -> bool:
        return member.vouched_by == self.by


class Members(Repository[Member, MemberId]):
    """All members. Every adapter keeps names and what vouches for them unique."""
