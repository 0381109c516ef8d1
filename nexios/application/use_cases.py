"""Application services and the decorator that makes a method one transaction."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Concatenate, Final, ParamSpec, TypeVar, get_type_hints, overload

from nexios.application.codec import kept_codec
from nexios.application.idempotency import Attempt, key_digest
from nexios.application.unit_of_work import Isolation, UnitOfWork

S = TypeVar("S", bound="ApplicationService")
P = ParamSpec("P")
T = TypeVar("T")

UseCase = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]

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
        once: A call with an idempotency key that was seen before returns the first one's result
            and does nothing; without a key there is no difference. Every parameter and the
            result need an annotation that has a JSON form.
    """
    if once and read_only:
        raise ValueError("once=True keeps a result, so it writes; drop it or read_only=True")
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
        attempts = _Attempts(method, name) if once else None
        attempt = _no_attempt if attempts is None else attempts.of

        @functools.wraps(method)
        async def use_case(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            uow = _unit_of_work(self, name)
            return await uow.run(
                lambda: method(self, *args, **kwargs),
                retries=retries,
                isolation=isolation,
                read_only=read_only,
                timeout_s=timeout_s,
                name=name,
                once=attempt(uow, self, args, kwargs),
            )

        if attempts is not None:
            use_case.__nexios_once__ = attempts  # type: ignore[attr-defined]  # see check_once
        return use_case

    return decorate if function is None else decorate(function)


def check_once(service: type) -> None:
    """Prove that what the use cases of a service keep has a JSON form, before the first call.

    Raises:
        UncodableField: An argument's or the result's annotation has none.
    """
    for base in service.__mro__:
        for member in vars(base).values():
            attempts = getattr(member, "__nexios_once__", None)
            if isinstance(attempts, _Attempts):
                attempts.check()


def _unit_of_work(service: Any, name: str) -> UnitOfWork:  # any class may be decorated by mistake
    uow = getattr(service, "uow", None)
    if not isinstance(uow, UnitOfWork):
        raise TypeError(
            f"@transactional {name} finds no unit of work in self.uow"
            f"\n  fix: def __init__(self, uow: UnitOfWork, ...) -> None: self.uow = uow"
        )
    return uow


def _no_attempt(*_: object) -> None:
    return None


class _Attempts:
    """Tells one call of a use case from another, for those that are to take effect once."""

    def __init__(self, method: Callable[..., object], name: str) -> None:
        self._method = method
        self._name = name
        self._signature = inspect.signature(method)
        self._self, *parameters = self._signature.parameters.values()
        bare = [one.name for one in parameters if one.annotation is one.empty]
        if self._signature.return_annotation is inspect.Signature.empty:
            bare.append("the result")
        if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
            raise TypeError(
                f"@transactional(once=True) {name} takes any number of arguments"
                "\n  fix: name each parameter; they are compared one by one"
            )
        if bare:
            raise TypeError(
                f"@transactional(once=True) {name} has no annotation for {', '.join(bare)}"
                "\n  fix: annotate it; the result is kept, and arguments are compared, as JSON"
            )

    @functools.cached_property
    def _hints(self) -> dict[str, Any]:
        # When first called: an annotation may name what is defined after the service.
        return get_type_hints(self._method)

    def check(self) -> None:
        for part, annotation in self._hints.items():
            what = "its result" if part == "return" else f'its parameter "{part}"'
            kept_codec(self._name, what, annotation)

    def of(
        self, uow: UnitOfWork, service: object, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Attempt:
        """Return the attempt this call is."""
        # Of the service at hand: what it inherits is another use case than its brother's.
        use_case = f"{type(service).__module__}.{type(service).__qualname__}"
        use_case = f"{use_case}.{self._method.__name__}"
        kinds = dict(self._hints)
        returns = kinds.pop("return")
        if uow.caller.idempotency_key is None:
            return Attempt(None, use_case, {}, kinds, returns)
        called = self._signature.bind(service, *args, **kwargs)
        called.apply_defaults()
        del called.arguments[self._self.name]
        return Attempt(
            key_digest(uow.caller, use_case), use_case, called.arguments, kinds, returns
        )
