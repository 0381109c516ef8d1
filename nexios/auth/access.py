"""Who may pass where: the table of an application, and what is wrong with it."""

from collections.abc import Iterable, Sequence
from inspect import isroutine
from typing import Any

from nexios.application.grants import Roles
from nexios.auth.decorator import (
    FreshGuard,
    PermissionGuard,
    PublicMark,
    RoleGuard,
    SchemeGuard,
    guards_below,
)
from nexios.container.places import Where
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Entrance:
    """A way into the application.

    Attributes:
        methods: ``WEBSOCKET`` for a socket.
        where: Of its registration.
        guards: All of them have to let a caller pass.
    """

    methods: tuple[str, ...]
    path: str
    where: Where
    guards: tuple[Any, ...]

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{','.join(self.methods)} {self.path}"

    @property
    def public(self) -> bool:
        """Whether it is marked as open to everybody."""
        return any(isinstance(one, PublicMark) for one in self.guards)

    @property
    def deciding(self) -> tuple[Any, ...]:
        """The guards that decide who may pass; one that only counts is none of them."""
        return tuple(one for one in self.guards if getattr(one, "decides", True))


class AccessRefused(ValueError):
    """Who may pass was not said, or said twice."""


def access_problems(
    entrances: Iterable[Entrance], *, deny_by_default: bool
) -> list[AccessRefused]:
    """Return what is wrong with the guards; with ``deny_by_default``, who has none.

    All that are open without a word come as one problem, each with its line.
    """
    problems, silent = [], []
    for one in entrances:
        if one.public and one.deciding:
            told = ", ".join(map(_shown, one.deciding))
            problems.append(
                AccessRefused(
                    f"{one.label} is marked @public and guarded by {told}, which still refuses"
                    f"\n  written at  {one.where}\n  fix: take one of them away"
                )
            )
        elif not one.public and not one.deciding:
            silent.append(one)
    if silent and deny_by_default:
        width = max(len(one.label) for one in silent)
        lines = "".join(f"\n  {one.label:<{width}}  {one.where}".rstrip() for one in silent)
        problems.append(
            AccessRefused(
                f"auth.deny_by_default is on, and {_count(len(silent))} without a guard:{lines}"
                "\n  fix: guard each by @auth() or the like, or mark it @public"
            )
        )
    return problems


def unknown_permissions(entrances: Iterable[Entrance], roles: Roles) -> list[str]:
    """Return a line for each permission that a guard wants and no role gives."""
    lines = []
    for one in entrances:
        for guard in guards_below(one.guards):
            wanted = guard.permissions if isinstance(guard, PermissionGuard) else ()
            lines += [
                f"{one.label} wants {name!r}, which no role gives"
                for name in wanted
                if not roles.known(name)
            ]
            named = guard.roles if isinstance(guard, RoleGuard) else ()
            lines += [
                f"{one.label} wants the role {name!r}, which is not there"
                for name in named
                if name not in roles.names
            ]
    return list(dict.fromkeys(lines))


def who_may(entrance: Entrance) -> str:
    """Return in words who may pass."""
    if not entrance.deciding:
        return "everybody" if entrance.public else "everybody (not marked)"
    return ", ".join(map(_in_words, entrance.deciding))


def roles_for(entrance: Entrance, roles: Roles) -> tuple[str, ...] | None:
    """Return the roles whose holders pass; None where guards ask for more than roles tell."""
    known = [one for one in entrance.deciding if isinstance(one, (PermissionGuard, RoleGuard))]
    if not known:
        return None
    passing = set(roles.names)
    for guard in known:
        if isinstance(guard, PermissionGuard):
            passing &= set(roles.giving(*guard.permissions))
        else:
            passing &= {name for name in roles.names if roles.includes(name, guard.roles)}
    return tuple(name for name in roles.names if name in passing)


def table(entrances: Sequence[Entrance], roles: Roles) -> str:
    """Return a line for each entrance: method, path, who may pass and which roles do.

    Sorted by path, so that the same application gives the same text.
    """
    rows = []
    for one in sorted(entrances, key=lambda one: (one.path, one.methods)):
        passing = roles_for(one, roles) if roles.names else None
        held = "" if passing is None else f"  [{', '.join(passing) or 'no role'}]"
        rows.append((",".join(one.methods), one.path, who_may(one) + held))
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(
        f"{methods:<{widths[0]}}  {path:<{widths[1]}}  {who}\n" for methods, path, who in rows
    )


def _in_words(guard: Any) -> str:
    if isinstance(guard, SchemeGuard):
        return f"proven by {' or '.join(guard.schemes)}" if guard.schemes else "proven"
    if isinstance(guard, PermissionGuard):
        return f"may {' and '.join(guard.permissions)}"
    if isinstance(guard, RoleGuard):
        return f"role {' or '.join(guard.roles)}"
    if isinstance(guard, FreshGuard):
        return f"logged in within {guard.max_age_s:g} s"
    return f"guard {_shown(guard)}"


def _shown(guard: Any) -> str:
    if guards_below((guard,)):
        return repr(guard)
    named = guard if isinstance(guard, type) or isroutine(guard) else type(guard)
    return str(getattr(named, "__qualname__", named))


def _count(number: int) -> str:
    return "1 route stands" if number == 1 else f"{number} routes stand"
