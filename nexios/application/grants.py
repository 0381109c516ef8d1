"""What a caller may do: roles, what they stand for, and what a token narrows that to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Final, TypedDict

from nexios.application.spelling import suggestion
from nexios.records import dataclass

_SEPARATOR: Final = ":"
_ANY: Final = "*"
_REMEMBERED: Final = 4096


class RolesRefused(ValueError):
    """The table of roles cannot be used; the text names role and fix."""


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Permissions ready to be compared: whole names, and what stands before a last ``*``."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, written: frozenset[str]) -> "_Patterns":
        wide = tuple(sorted(one[:-1] for one in written if _is_wide(one)))
        return cls(written, wide)

    def hold(self, permission: str) -> bool:
        return permission in self.exact or permission.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Grants:
    """What one caller may do, settled when the caller was proven.

    Attributes:
        roles: Their names, those they include among them.
        permissions: What the roles and the user itself give; ``orders:*`` is all below
            ``orders:``, and not ``orders``.
        scopes: What the credential may be used for; None where it is not narrowed. It takes
            away and never adds: a permission needs both.
    """

    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    _given: _Patterns = field(init=False, repr=False, compare=False)
    _narrowed: _Patterns | None = field(init=False, repr=False, compare=False)
    _known: dict[tuple[str, ...], bool] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        narrowed = None if self.scopes is None else _Patterns.of(self.scopes)
        object.__setattr__(self, "_given", _Patterns.of(self.permissions))
        object.__setattr__(self, "_narrowed", narrowed)

    def can(self, permission: str) -> bool:
        """Return whether this permission is given, and not beyond the credential."""
        return self._given.hold(permission) and self.covers(permission)

    def can_all(self, permissions: tuple[str, ...]) -> bool:
        """Return whether every one of these is given, and not beyond the credential.

        Args:
            permissions: Of a guard: what was found out is kept for each of them.
        """
        known = self._known.get(permissions)
        if known is None:
            known = self._known[permissions] = all(map(self.can, permissions))
        return known

    def covers(self, permission: str) -> bool:
        """Return whether the credential may be used for it, whatever its user may."""
        return self._narrowed is None or self._narrowed.hold(permission)


NO_GRANTS: Final = Grants()


class Role(TypedDict, total=False):
    """What stands under the name of a role."""

    permissions: Sequence[str]
    includes: Sequence[str]


class Roles:
    """The roles of an application and what they stand for; bound as a value.

    ``module.bind(Roles).value(Roles({"viewer": {"permissions": ["orders:read"]},
    "clerk": {"includes": ["viewer"], "permissions": ["orders:write"]}}))``. ``*`` may stand for
    the last segment: ``orders:*``.

    Raises:
        RolesRefused: A role includes itself, or one that is not there; a name or a wildcard
            cannot be meant.
    """

    def __init__(self, table: Mapping[str, Role]) -> None:
        """Settle what each role stands for, once."""
        for name, role in table.items():
            _check(name, role, table)
        self._closed: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        for name in table:
            self._close(name, table, ())
        # One set of roles and permissions is asked for by every request of its users.
        self.grants = lru_cache(maxsize=_REMEMBERED)(self._grants)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order written."""
        return tuple(self._closed)

    @property
    def permissions(self) -> frozenset[str]:
        """Every permission that any role gives, wildcards as written."""
        return frozenset().union(*(given for _, given in self._closed.values()))

    def known(self, permission: str) -> bool:
        """Return whether any role gives it."""
        return _Patterns.of(self.permissions).hold(permission)

    def giving(self, *permissions: str) -> tuple[str, ...]:
        """Return the roles each of which gives all of these."""
        return tuple(
            name
            for name, (_, given) in self._closed.items()
            if all(map(_Patterns.of(given).hold, permissions))
        )

    def includes(self, role: str, others: Iterable[str]) -> bool:
        """Return whether a role is one of these, or includes one."""
        return not self._closed[role][0].isdisjoint(others)

    def _grants(
        self,
        roles: frozenset[str],
        permissions: frozenset[str] = frozenset(),
        scopes: frozenset[str] | None = None,
    ) -> Grants:
        """Return what somebody with these roles and permissions of their own may do.

        A role that is not in the table gives nothing but its name.
        """
        named, given = set(roles), set(permissions)
        for role in roles:
            below, gives = self._closed.get(role, (frozenset(), frozenset()))
            named |= below
            given |= gives
        return Grants(frozenset(named), frozenset(given), scopes)

    def _close(
        self, name: str, table: Mapping[str, Role], above: tuple[str, ...]
    ) -> tuple[frozenset[str], frozenset[str]]:
        if name in above:
            ring = " -> ".join((*above[above.index(name) :], name))
            raise RolesRefused(f"role {name!r} includes itself: {ring}")
        if name not in self._closed:
            role = table[name]
            below, given = {name}, set(role.get("permissions", ()))
            for other in role.get("includes", ()):
                names, permissions = self._close(other, table, (*above, name))
                below |= names
                given |= permissions
            self._closed[name] = (frozenset(below), frozenset(given))
        return self._closed[name]


NO_ROLES: Final = Roles({})


def _check(name: str, role: Role, table: Mapping[str, Role]) -> None:
    known = tuple(Role.__annotations__)
    for key in role:
        if key not in known:
            likely = suggestion(key, known) or " or ".join(known)
            raise RolesRefused(f"role {name!r} has no {key!r}; did you mean {likely!r}?")
    for part, named in role.items():
        if isinstance(named, str):
            raise RolesRefused(f"role {name!r}: {part} is a list of names\n  fix: [{named!r}]")
    for other in role.get("includes", ()):
        if other not in table:
            near = suggestion(other, list(table))
            hint = f"; did you mean {near!r}?" if near else ""
            raise RolesRefused(f"role {name!r} includes {other!r}, which is not there{hint}")
    for permission in role.get("permissions", ()):
        if not permission or (_ANY in permission and not _is_wide(permission)):
            raise RolesRefused(
                f"role {name!r} gives {permission!r}: {_ANY} stands for the last segment"
                "\n  fix: orders:* (all below orders:), or * alone"
            )


def _is_wide(permission: str) -> bool:
    head, _, last = permission.rpartition(_SEPARATOR)
    return last == _ANY and _ANY not in head and (bool(head) or permission == _ANY)


def names_in(value: object) -> frozenset[str]:
    """Return the texts in a list, set or the like; a single text names nothing."""
    if not value or isinstance(value, str) or not isinstance(value, Iterable):
        return frozenset()
    return frozenset(one for one in value if isinstance(one, str))


def scopes_in(claims: Mapping[str, object]) -> frozenset[str] | None:
    """Return what the claim ``scope`` narrows a token to (RFC 8693, 4.2); None without one.

    What is neither text nor list narrows it to nothing.
    """
    if "scope" not in claims:
        return None
    told = claims["scope"]
    return frozenset(told.split()) if isinstance(told, str) else names_in(told)
