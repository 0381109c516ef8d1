"""What a user may look like, and who is there when nobody was proven."""

from collections.abc import Iterable
from typing import Final, Self

# `nexios.auth.users.base` and `.simple` of 2.11 are found by compat.py, which needs a package.
__path__: list[str] = []


class BaseUser:
    """A base for user classes; no user needs it, any object will do."""

    permissions: Iterable[str] = ()

    @property
    def is_authenticated(self) -> bool:
        """True: there is somebody."""
        return True

    @property
    def display_name(self) -> str:
        """A name to show to people."""
        return str(self.identity or "")

    @property
    def identity(self) -> str | None:
        """What this user is known by in logs and rules."""
        return None

    def has_permission(self, permission: str) -> bool:
        """Return whether the user may do what ``permission`` names."""
        return permission in self.permissions

    @classmethod
    async def load_user(cls, identity: object) -> Self | None:
        """Return the user of this identity, or None; for ``AuthenticationMiddleware``."""
        raise NotImplementedError(f"{cls.__name__}.load_user is not written, asked for {identity}")


class SimpleUser(BaseUser):
    """A user with a name and permissions."""

    def __init__(self, username: str, permissions: Iterable[str] = ()) -> None:
        self.username = username
        self.permissions = frozenset(permissions)

    @property
    def display_name(self) -> str:
        """The user name."""
        return self.username

    @property
    def identity(self) -> str:
        """The user name."""
        return self.username

    @classmethod
    async def load_user(cls, identity: object) -> Self:
        """Return a user of that name."""
        return cls(str(identity))


class UnauthenticatedUser(BaseUser):
    """Nobody. It is falsy, has no identity and may do nothing."""

    __slots__ = ()

    @property
    def is_authenticated(self) -> bool:
        """False."""
        return False

    def has_permission(self, permission: str) -> bool:  # noqa: ARG002  # the base's words
        """Return False."""
        return False

    def __bool__(self) -> bool:
        return False


ANONYMOUS_USER: Final = UnauthenticatedUser()
