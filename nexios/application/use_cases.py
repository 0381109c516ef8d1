"""Application services and the decorator that makes a method one transaction."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Concatenate, Final, ParamSpec, TypeVar, overload

from nexios.application.unit_of_work import Isolation, UnitOfWork

S = TypeVar("S", bound="ApplicationService")
P = ParamSpec("P")
T = TypeVar("T")

UseCase = Callable[Concatenate[S, P], Awaitable[T]]

_ISOLATIONS: Final = ("read committed", "repeatable read", "serializable")


class ApplicationService:
    """Its public methods are use cases; give it ``self.uow`` in its constructor.

    Attributes:
        uow: The unit of work of this scope, the same that its repositories were given.
    """

    __nexios_layer__: ClassVar[str] = "application"

    uow: UnitOfWork


@overload
def transactional(function: UseCase[S, P, T], /) -> UseCase[S, P, T]: ...
@overload
def transactional(
    *,
    retries: int = 2,
    isolation: Isolation | None = None,
    read_only: bool = False,
    timeout_s: float | None = None,
    once: bool = False,
) -> Callable[[UseCase[S, P, T]], UseCase[S, P, T]]: ...
def transactional(
    function: UseCase[S, P, T] | None = None,
    /,
    *,
    retries: int = 2,
    isolation: Isolation | None = None,
    read_only: bool = False,
    timeout_s: float | None = None,
    once: bool = False,
) -> UseCase[S, P, T] | Callable[[UseCase[S, P, T]], UseCase[S, P, T]]:
    """Make an ``async def`` method of an ApplicationService one transaction.

    A return commits before the caller goes on, a raise rolls back. Calling another such method
    of the same unit of work joins.

    Args:
        function: The method, when used without brackets.
        retries: How many times more the whole method may run when trying again can help.
        isolation: ``"serializable"`` for a rule that spans aggregates.
        read_only: Nothing will be written; writing is refused.
        timeout_s: For all tries together.
        once: Not available in this version; see the error.
    """
    if once:
        raise NotImplementedError(
            "transactional(once=True) needs the idempotency store, which this version of Nexios "
            "does not have yet\n  fix: remove once=True, and give what must not happen twice a "
            "unique column"
        )
    if isolation is not None and isolation not in _ISOLATIONS:
        raise ValueError(f"isolation is one of {', '.join(_ISOLATIONS)}; not {isolation!r}")
    if retries < 0 or (timeout_s is not None and timeout_s <= 0):
        raise ValueError(
            f"retries is at least 0 and timeout_s above 0; got {retries} and {timeout_s}"
        )

    def decorate(method: UseCase[S, P, T]) -> UseCase[S, P, T]:
        name = getattr(method, "__qualname__", repr(method)).rpartition("<locals>.")[2]
        if not inspect.iscoroutinefunction(method):
            raise TypeError(f"@transactional {name} must be an async def method")

        @functools.wraps(method)
        async def use_case(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return await _unit_of_work(self, name).run(
                lambda: method(self, *args, **kwargs),
                retries=retries,
                isolation=isolation,
                read_only=read_only,
                timeout_s=timeout_s,
                name=name,
            )

        return use_case

    return decorate if function is None else decorate(function)


def _unit_of_work(service: Any, name: str) -> UnitOfWork:  # any class may be decorated by mistake
    uow = getattr(service, "uow", None)
    if not isinstance(uow, UnitOfWork):
        raise TypeError(
            f"@transactional {name} finds no unit of work in self.uow"
            f"\n  fix: def __init__(self, uow: UnitOfWork, ...) -> None: self.uow = uow"
        )
    return uow
