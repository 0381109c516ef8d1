"""The port behind which a use case is one transaction."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Literal, TypeVar

from nexios.application.caller import Caller
from nexios.application.idempotency import Attempt

T = TypeVar("T")

Isolation = Literal["read committed", "repeatable read", "serializable"]


class UnitOfWork(ABC):
    """One per REQUEST scope, shared by the services and repositories of that scope.

    Attributes:
        caller: On whose behalf the work is done; goes into envelopes and the audit.
    """

    __nexios_layer__: ClassVar[str] = "application"

    caller: Caller

    @abstractmethod
    async def run(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        retries: int = 2,
        isolation: Isolation | None = None,
        read_only: bool = False,
        timeout_s: float | None = None,
        name: str | None = None,
        once: Attempt | None = None,
    ) -> T:
        """Do ``work`` in one transaction: a return commits, a raise rolls back.

        When this returns, the commit is known. Inside another ``run`` of the same unit of work
        it joins that one.

        Args:
            work: The use case. It is called again, with fresh aggregates, when the store says
                that trying again can help; so it keeps nothing outside of the aggregates.
            retries: How many times more, at most.
            isolation: ``"read committed"`` unless given. A rule across aggregates needs
                ``"serializable"``.
            read_only: Nothing will be written; writing is refused.
            timeout_s: For all tries together.
            name: What is being done, for logs and error texts.
            once: Do nothing, and return the kept result, when this attempt was committed
                before; a run that joins ignores it.

        Raises:
            Conflict: Others changed the same aggregates, every time.
            Unavailable: The store cannot be used now; nothing was changed.
            TimedOut: Time ran out; nothing was changed.
            KeyReused: ``once`` came before with other arguments.
            OutcomeUnknown: The reply to the commit was lost and could not be found out.
        """
