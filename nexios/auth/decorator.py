"""``auth``, ``has_permission`` and their kin: marks that stack in any order."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any, ClassVar, Final, TypeVar

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.event_desk import EventDesk
from nexios.adapters.asgi.guards import guarded
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.grants import NO_ROLES, Grants
from nexios.application.security_events import SecurityEvent
from nexios.auth.callers import grants_of
from nexios.auth.exceptions import AuthenticationFailed, PermissionDenied
from nexios.auth.identity import BROKEN, IDENTITY, Identity, identity_of
from nexios.auth.users import BaseUser

T = TypeVar("T")

_PATH_CHARS: Final = 200


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
        if not _settled(connection, self.schemes):
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
        user = _settled(connection, ())
        if user is None:
            user = await _proven_user(connection, ())
            grants = _grants(connection, user)
        else:
            grants = connection.scope.get("caller", ANONYMOUS).grants
        decides = _own_answer(user)
        if decides is None and grants.can_all(self.permissions):
            return
        for permission in self.permissions:
            if not grants.covers(permission):
                raise await _denied(connection, f"scope lacks {permission}", self.permissions)
            if decides is None:
                may = grants.can(permission)
            else:
                answer = decides(permission)
                # What is not True is no.
                may = (await answer if isawaitable(answer) else answer) is True
            if not may:
                raise await _denied(connection, f"lacks {permission}")

    def __repr__(self) -> str:
        return f"@has_permission({list(self.permissions)!r})"


class RoleGuard(_Mark):
    """Lets through who has any one of these roles, by itself or by one that includes it."""

    __slots__ = ("roles",)

    rank: ClassVar = 2

    def __init__(self, roles: Sequence[str]) -> None:
        self.roles = tuple(roles)

    async def check(self, connection: Connection) -> None:
        """Return to let the connection pass.

        Raises:
            AuthenticationFailed: Nobody was proven.
            PermissionDenied: None of the roles is the caller's.
            Unavailable: A backend broke.
        """
        user = await _proven_user(connection, ())
        if _grants(connection, user).roles.isdisjoint(self.roles):
            raise await _denied(connection, f"has none of the roles {', '.join(self.roles)}")

    def __repr__(self) -> str:
        return f"@has_role({', '.join(map(repr, self.roles))})"


class FreshGuard(_Mark):
    """Lets through who showed a password or the like not long ago."""

    __slots__ = ("max_age_s",)

    rank: ClassVar = 1

    def __init__(self, max_age_s: float) -> None:
        self.max_age_s = max_age_s

    async def check(self, connection: Connection) -> None:
        """Return to let the connection pass.

        Raises:
            AuthenticationFailed: Nobody was proven, or too long ago, or nobody knows when.
            Unavailable: A backend broke.
        """
        await _proven_user(connection, ())
        moment = connection.caller.authenticated_at
        if moment is None or (datetime.now(UTC) - moment).total_seconds() > self.max_age_s:
            raise AuthenticationFailed(challenges=_renewal(connection, self.max_age_s))

    def __repr__(self) -> str:
        return f"@fresh(max_age_s={self.max_age_s:g})"


class PublicMark(_Mark):
    """Says that everybody may pass; for readers, lists and ``auth.deny_by_default``."""

    __slots__ = ()

    rank: ClassVar = 0
    decides: ClassVar = False

    async def check(self, connection: Connection) -> None:
        """Let the connection pass."""

    def __repr__(self) -> str:
        return "@public"


public: Final = PublicMark()
"""Mark a handler or controller as open to everybody: ``@public``, or ``guards=[public]``.

It takes nothing away: beside a guard the start is refused.
"""


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

    The user's own ``has_permission`` decides, sync or async; else its ``permissions`` and what
    its ``roles`` stand for. A token with scopes narrows whatever that gives.
    """
    return PermissionGuard(_names(permissions, "has_permission", empty=False))


def has_role(*roles: str) -> RoleGuard:
    """Guard a handler or controller: the caller must be proven and have one of these roles.

    To be written as `auth` is. A role counts for those that include it; bind `Roles` to say so.
    """
    return RoleGuard(_names(roles, "has_role", empty=False))


def fresh(max_age_s: float) -> FreshGuard:
    """Guard a handler or controller: the caller logged in at most ``max_age_s`` seconds ago.

    Sessions know when, and tokens that claim ``auth_time`` (OpenID Connect Core, 2). Whoever is
    too late gets a 401 that says so (RFC 9470); logging in again renews it.

    Raises:
        TypeError: No number of seconds above zero.
    """
    return FreshGuard(_seconds(max_age_s))


def guards_below(before: Iterable[object]) -> list[_Mark]:
    """Return the guards of this file among what stands before a handler, `public` left out."""
    return [one for one in before if isinstance(one, _Mark) and one is not public]


def _seconds(told: object) -> float:
    if isinstance(told, bool) or not isinstance(told, (int, float)) or told <= 0:
        raise TypeError(f"fresh({told!r}): write @fresh(max_age_s=300)")
    return float(told)


_EXAMPLES: Final = {
    "auth": '@auth(["jwt"])',
    "has_permission": '@has_permission("orders:read")',
    "has_role": '@has_role("admin")',
}


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
    raise TypeError(f"{decorator}({names!r}): write {_EXAMPLES[decorator]}")


def _settled(connection: Connection, schemes: Collection[str]) -> Any:
    """Return the user where nothing has to be asked or waited for, else None.

    4 -> 1 us for a guard, benchmarks/auth.py: three coroutines are not made.
    """
    scope = connection.scope
    identity: Identity | None = scope.get(IDENTITY)
    proof = None if identity is None else identity.proof
    if proof is None or BROKEN in scope or (schemes and proof.scheme not in schemes):
        return None
    user = scope.get("user")
    if user is not proof.user or not getattr(user, "is_authenticated", True):
        return None
    return user


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


def _grants(connection: Connection, user: object) -> Grants:
    """Return the caller's grants; those of another user, where the application replaced it."""
    identity = identity_of(connection)
    if identity is None:
        return grants_of(user, NO_ROLES, None)
    caller: Caller = connection.scope.get("caller", ANONYMOUS)
    if identity.proof is not None and identity.proof.user is user:
        return caller.grants
    return grants_of(user, identity.roles, caller.grants.scopes)


def _own_answer(user: object) -> Callable[[str], Any] | None:
    """Return what the user itself has to say about permissions, beyond listing them."""
    decides = getattr(user, "has_permission", None)
    if decides is None or not callable(decides):
        return None
    if getattr(decides, "__func__", None) is BaseUser.has_permission:
        return None
    answers: Callable[[str], Any] = decides
    return answers


async def _denied(
    connection: Connection, reason: str, scopes: Sequence[str] | None = None
) -> PermissionDenied:
    """Note who was refused and return the refusal; ``scopes`` where the token is too narrow."""
    caller, scope = connection.caller, connection.scope
    identity = identity_of(connection)
    event = SecurityEvent(
        "access.denied",
        "denied",
        actor=caller.actor,
        scheme=caller.scheme,
        reason=reason,
        details={"path": scope["path"][:_PATH_CHARS], "request_id": scope.get("request_id")},
    )
    await (EventDesk() if identity is None else identity.events).record(event)
    if scopes is None or not _bearer(connection):
        return PermissionDenied()
    # RFC 6750, 3.1
    asked = " ".join(scopes)
    return PermissionDenied(challenges=(f'Bearer error="insufficient_scope", scope="{asked}"',))


def _renewal(connection: Connection, max_age_s: float) -> tuple[str, ...]:
    """Return what asks for a new login (RFC 9470, 3); the plain challenges where no token is."""
    if _bearer(connection):
        told = f'Bearer error="insufficient_user_authentication", max_age="{max_age_s:g}"'
        return (told,)
    identity = identity_of(connection)
    return () if identity is None else identity.challenges(())


def _bearer(connection: Connection) -> bool:
    identity, scheme = identity_of(connection), connection.caller.scheme
    if identity is None or scheme is None:
        return False
    return any(text.startswith("Bearer") for text in identity.challenges((scheme,)))
