"""Rules about one loaded object: who may do what to it."""

import logging
from typing import Any, ClassVar, Final, Generic, TypeVar, overload

from nexios.application.caller import Caller
from nexios.application.errors import Forbidden
from nexios.application.security_events import LoggedSecurityEvents, SecurityEvent, SecurityEvents
from nexios.application.tracking import tell
from nexios.domain.errors import DomainError, NotFound
from nexios.records import dataclass

_LOGGER: Final = logging.getLogger("nexios.security")

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy says; made by `allow` and `deny`.

    Attributes:
        reason: For those who guard the application, never for the caller.
        hide: Answer as if the object were not there.
    """

    allowed: bool
    reason: str = ""
    hide: bool = False


_ALLOWED: Final = Decision(True)


def allow() -> Decision:
    """Let it pass."""
    return _ALLOWED


def deny(reason: str, *, hide: bool = False) -> Decision:
    """Refuse it.

    Args:
        reason: For the log, never for the caller.
        hide: The caller is not to learn that the object is there.
    """
    return Decision(False, reason, hide)


class Policy(Generic[T_contra]):
    """A rule about a caller and an object that is loaded; children write ``__call__``.

    One that needs services asks for them in its constructor and is bound like any other class;
    the use case asks for it and hands it to `Policies.require`. A rule that breaks refuses.

    Attributes:
        audit: Note what is allowed too.
    """

    audit: ClassVar[bool] = False

    async def __call__(self, caller: Caller, loaded: T_contra) -> Decision:
        """Return `allow` or `deny`."""
        raise NotImplementedError(f"{type(self).__qualname__}.__call__ is not written")


Rule = Policy[T] | type[Policy[T]]


class NeedyPolicy(TypeError):
    """A policy was given as a class, and its constructor asks for something."""

    def __init__(self, policy: type) -> None:
        self.policy = policy
        super().__init__(policy)

    def __str__(self) -> str:
        name = self.policy.__qualname__
        return (
            f"{name} cannot be made without what its constructor asks for"
            f"\n  fix: module.bind({name}), ask for it beside Policies, and pass the object"
        )


class Policies:
    """Asks policies for the caller of this scope; use cases ask for it in their constructor.

    In a test: ``Policies(Caller(actor="ada"))``.

    Args:
        caller: Who is asking.
        events: Where refusals go; to the log ``nexios.security`` unless told.
    """

    def __init__(self, caller: Caller, events: SecurityEvents | None = None) -> None:
        """Nothing is asked yet."""
        self._caller = caller
        self._events = events or LoggedSecurityEvents()

    @overload
    async def require(
        self, policy: Rule[T], loaded: T, *, missing: DomainError | None = None
    ) -> T: ...
    @overload
    async def require(self, policy: Rule[T], loaded: T | None, *, missing: DomainError) -> T: ...
    async def require(
        self, policy: Rule[T], loaded: T | None, *, missing: DomainError | None = None
    ) -> T:
        """Return the object when the caller may.

        Args:
            policy: A policy, or its class where its constructor asks for nothing.
            loaded: None is not there: ``missing`` is raised.
            missing: What the use case raises for an object that is not there, so that a hidden
                one looks the same; `NotFound` without it.

        Raises:
            Forbidden: The policy says no.
            NotFound: It says no and hides the object.
            NeedyPolicy: A class needs more than a call to become a policy.
        """
        absent = missing or NotFound()
        if loaded is None:
            raise absent
        decision = await self._asked(policy, loaded)
        if not decision.allowed:
            raise absent if decision.hide else Forbidden()
        return loaded

    async def allows(self, policy: Rule[T], loaded: T) -> bool:
        """Return whether the caller may; a refusal is noted as by `require`."""
        return (await self._asked(policy, loaded)).allowed

    async def _asked(self, policy: Rule[T], loaded: T) -> Decision:
        rule = _made(policy) if isinstance(policy, type) else policy
        try:
            decision = await rule(self._caller, loaded)
        except Exception as error:
            # A rule that cannot say yes says no.
            tell(_LOGGER, logging.ERROR, error, "policy %s broke", type(rule).__qualname__)
            decision = deny(f"broke: {type(error).__name__}")
        if not decision.allowed or rule.audit:
            await self._events.record(self._event(rule, loaded, decision))
        return decision

    def _event(self, rule: Policy[Any], loaded: object, decision: Decision) -> SecurityEvent:
        told = {
            "policy": type(rule).__qualname__,
            "object": type(loaded).__qualname__,
            "id": getattr(loaded, "id", None),
        }
        allowed = decision.allowed
        return SecurityEvent(
            "access.allowed" if allowed else "access.denied",
            "allowed" if allowed else "denied",
            actor=self._caller.actor,
            scheme=self._caller.scheme,
            reason=decision.reason,
            details=told,
        )


def _made(policy: type[Policy[T]]) -> Policy[T]:
    if policy.__init__ is not object.__init__:
        raise NeedyPolicy(policy)
    return policy()
