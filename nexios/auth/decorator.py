"""``auth`` and ``has_permission``: guards that stack in any order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, ClassVar, TypeVar

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.guards import guarded
from nexios.auth.exceptions import AuthenticationFailed, PermissionDenied
from nexios.auth.identity import identity_of

T = TypeVar("T")


class _Mark:
    """A guard that is its own decorator: ``@auth()`` and ``guards=[auth()]`` are the same."""

    __slots__ = ()

    def __call__(self, target: T) -> T:
        """Note this guard on a handler or controller class and return the very same object."""
        return guarded(target, self)

    async def check(self, connection: Connection) -> None:
        """Return to let the connection pass; each guard says what it raises."""
        raise NotImplementedError


class SchemeGuard(_Mark):
    """Lets through who was proven by one of these schemes; by any, when there are none."""

    __slots__ = ("schemes",)

    rank: ClassVar = 0

    def __init__(self, schemes: Sequence[str]) -> None:
        self.schemes = tuple(schemes)

    async def check(self, connection: Connection) -> None:
        """Return to let the connection pass.

        Raises:
            AuthenticationFailed: Nobody was proven, or by another scheme.
            Unavailable: A backend broke.
        """
        await _proven_user(connection, self.schemes)

    def __repr__(self) -> str:
        return f"@auth({list(self.schemes)!r})"


class PermissionGuard(_Mark):
    """Lets through who has every one of these permissions."""

    __slots__ = ("permissions",)

    rank: ClassVar = 2

    def __init__(self, permissions: Sequence[str]) -> None:
        self.permissions = tuple(permissions)

    async def check(self, connection: Connection) -> None:
        """Return to let the connection pass.

        Raises:
            AuthenticationFailed: Nobody was proven.
            PermissionDenied: A permission is lacking.
            Unavailable: A backend broke.
        """
        user = await _proven_user(connection, ())
        for permission in self.permissions:
            if not await _may(user, permission):
                raise PermissionDenied

    def __repr__(self) -> str:
        return f"@has_permission({list(self.permissions)!r})"


def auth(scopes: str | Sequence[str] | None = None) -> SchemeGuard:
    """Guard a handler or controller: the caller must be proven by one of these schemes.

    ``@auth(["jwt"])`` above a function or class, or ``guards=[auth(["jwt"])]`` of a route, a
    controller, a router or the app.

    Args:
        scopes: Names of backends (``"jwt"``); None means any of them.

    The function itself is returned, so decorators stack in any order, and a unit test calls it.
    """
    return SchemeGuard(_names(scopes, "auth", empty=True))


def has_permission(permissions: str | Sequence[str]) -> PermissionGuard:
    """Guard a handler or controller: the caller must be proven and have all of these.

    To be written as `auth` is.

    The user's own ``has_permission`` decides, sync or async; else its ``permissions``.
    """
    return PermissionGuard(_names(permissions, "has_permission", empty=False))


def guards_below(before: Iterable[object]) -> list[SchemeGuard | PermissionGuard]:
    """Return the guards of this file among what stands before a handler."""
    return [one for one in before if isinstance(one, (SchemeGuard, PermissionGuard))]


def _names(names: object, decorator: str, *, empty: bool) -> tuple[str, ...]:
    """Read one name or several.

    Raises:
        TypeError: It is neither, or the decorator stands without parentheses.
    """
    if names is None and empty:
        return ()
    if isinstance(names, str):
        return (names,)
    if isinstance(names, (list, tuple, set, frozenset)):
        texts = tuple(one for one in names if isinstance(one, str))
        if len(texts) == len(names) and (texts or empty):
            return texts
    example = '@auth(["jwt"])' if decorator == "auth" else '@has_permission("orders:read")'
    raise TypeError(f"{decorator}({names!r}): write {example}")


async def _proven_user(connection: Connection, schemes: Collection[str]) -> Any:
    identity = identity_of(connection)
    proof = None
    if identity is not None:
        proof = await identity.proven_by(connection, schemes)
    # The user may have been replaced since: by the application's own middleware, or by nobody.
    user = connection.user
    known = getattr(user, "is_authenticated", proof is not None)
    named = not schemes or proof is not None
    if user is None or not named or not known or (proof is None and known is not True):
        challenges = () if identity is None else identity.challenges(schemes)
        raise AuthenticationFailed(challenges=challenges)
    return user


async def _may(user: object, permission: str) -> bool:
    """Ask the user, else read its permissions. What is neither True nor listed is no."""
    decides = getattr(user, "has_permission", None)
    if callable(decides):
        answer = decides(permission)
        return (await answer if isawaitable(answer) else answer) is True
    listed = user.get("permissions") if isinstance(user, Mapping) else None
    if listed is None:
        listed = getattr(user, "permissions", None)
    if isinstance(listed, str) or not isinstance(listed, Iterable):
        return False
    return permission in listed
