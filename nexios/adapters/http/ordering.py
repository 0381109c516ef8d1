"""The order of middleware: the house's by stage, the user's last added outermost."""

from collections.abc import Iterable, Sequence
from typing import Any

from nexios.adapters.asgi.stages import Stage
from nexios.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """One middleware as it was added.

    Attributes:
        before: Stand further out than this (an instance, a class or a function).
        after: Stand further in than this.
    """

    middleware: Any
    before: Any = None
    after: Any = None


def listed(added: Iterable[Added], wanted: Iterable[Any]) -> list[Added]:
    """Return ``wanted`` as it was added; what is new among it has no place of its own."""
    known = list(added)
    return [
        next((old for old in known if old.middleware is one), None) or Added(one) for one in wanted
    ]


class MiddlewareOrderError(Exception):
    """Middleware that cannot stand where it was told to."""


def stage_of(middleware: Any) -> Stage:
    """Return the stage a middleware says it has; ``USER`` when it says none."""
    return Stage(getattr(middleware, "stage", Stage.USER))


def ordered(added: Iterable[Added]) -> tuple[Any, ...]:
    """Return the middleware, outermost first.

    Args:
        added: In the order of adding.

    Raises:
        MiddlewareOrderError: ``before`` and ``after`` contradict each other, or name something
            that was not added; or a stage that another needs is not filled.
    """
    known = list(added)
    placed = [one for one in known if one.before is None and one.after is None]
    users = [one for one in placed if stage_of(one.middleware) is Stage.USER]
    house = [one for one in placed if stage_of(one.middleware) is not Stage.USER]
    # sort() is stable: several of one stage stand in the order of adding.
    house.sort(key=lambda one: stage_of(one.middleware))
    line = house + users[::-1]
    # The last added is tried first, so that among several before one thing it is outermost.
    waiting = [one for one in known if one not in placed][::-1]
    while waiting:
        moved = [one for one in waiting if _place(line, one, waiting)]
        if not moved:
            raise MiddlewareOrderError(_stuck(waiting))
        waiting = [one for one in waiting if one not in moved]
    order = tuple(one.middleware for one in line)
    _check_requires(order)
    return order


def _place(line: list[Added], one: Added, waiting: Sequence[Added]) -> bool:
    """Insert ``one`` where it asks to stand, if what it names stands already."""
    low, high = 0, len(line)
    if one.before is not None:
        places = _places(line, one.before)
        if not places:
            return False
        high = places[0]
    if one.after is not None:
        places = _places(line, one.after)
        if not places:
            return False
        low = places[-1] + 1
    if any(_named(other.middleware, wish) for other in waiting for wish in _wishes(one)):
        return False
    if low > high:
        raise MiddlewareOrderError(
            f"{_shown(one.middleware)} cannot stand before {_shown(one.before)} and after "
            f"{_shown(one.after)}: they stand the other way round"
        )
    line.insert(high if one.before is not None else low, one)
    return True


def _wishes(one: Added) -> list[Any]:
    return [wish for wish in (one.before, one.after) if wish is not None]


def _places(line: Sequence[Added], wish: Any) -> list[int]:
    found = [index for index, one in enumerate(line) if _named(one.middleware, wish)]
    if not found and isinstance(wish, type) and hasattr(wish, "stage"):
        # A stage that is absent still has its place.
        stage = stage_of(wish)
        inner = (i for i, one in enumerate(line) if stage_of(one.middleware) >= stage)
        return [next(inner, len(line))]
    return found


def _named(middleware: Any, wish: Any) -> bool:
    return middleware is wish or (isinstance(wish, type) and isinstance(middleware, wish))


def _stuck(waiting: Sequence[Added]) -> str:
    lines = "".join(
        f"\n  {_shown(one.middleware)}: "
        + " and ".join(
            f"{word} {_shown(wish)}"
            for word, wish in (("before", one.before), ("after", one.after))
            if wish is not None
        )
        for one in waiting[::-1]
    )
    return (
        f"middleware cannot be put in order{lines}\n"
        "  fix: add what is named, or break the circle between them"
    )


def _check_requires(order: Sequence[Any]) -> None:
    stages = {stage_of(middleware) for middleware in order}
    for middleware in order:
        needs = getattr(middleware, "requires", None) or ()
        for need in needs if isinstance(needs, (tuple, list, set, frozenset)) else (needs,):
            if isinstance(need, Stage):
                met, text = need in stages, f"a middleware of stage {need.name}"
            else:
                met = any(_named(other, need) for other in order)
                text = _shown(need)
            if not met:
                line = f"app.add_middleware({_shown(need)}())"
                raise MiddlewareOrderError(
                    f"{_shown(middleware)} needs {text}, and there is none\n"
                    f"  fix: {line if not isinstance(need, Stage) else _stage_fix(need)}"
                )


def _stage_fix(stage: Stage) -> str:
    house = {
        Stage.SESSION: "SessionMiddleware()",
        Stage.AUTHENTICATION: "AuthenticationMiddleware(backend=...)",
        Stage.CSRF: "CSRFMiddleware()",
    }
    return f"app.add_middleware({house.get(stage, '...')})"


def _shown(middleware: Any) -> str:
    if isinstance(middleware, type) or hasattr(middleware, "__qualname__"):
        return str(middleware.__qualname__)
    return type(middleware).__qualname__
