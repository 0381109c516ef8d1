"""Rates for whole applications and for single routes: 429 for who comes too often."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal, TypeVar
from weakref import WeakKeyDictionary

import anyio

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.guards import guarded
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.application.errors import RateLimited, Unavailable
from nexios.application.listening import Signals
from nexios.application.rates import CounterStore, Decision, Hit, Rate, network_of
from nexios.application.signals import RequestLimited
from nexios.middleware.base import BaseMiddleware, CallNext

T = TypeVar("T")

Key = Callable[[Connection], str]
"""Says who a connection counts for; "" for nobody: it is not counted."""

OnFailure = Literal["local", "open", "closed"]

_LOGGER: Final = logging.getLogger("nexios.rates")
_ANSWER_S: Final = 0.1
_FAILURES: Final = 5
_WITHIN_S: Final = 10.0
_OPEN_S: Final = 5.0


def client_ip(connection: Connection) -> str:
    """Return the client's address, proxies minded; of IPv6 its network of 64 bits."""
    return network_of(connection.get_client_ip())


def by_caller(connection: Connection) -> str:
    """Return who is proven to call; nobody proven counts by address."""
    actor = connection.caller.actor
    return f"actor {actor}" if actor is not None else client_ip(connection)


def by_tenant(connection: Connection) -> str:
    """Return the caller's tenant; without one the caller counts."""
    tenant = connection.caller.tenant
    return f"tenant {tenant}" if tenant is not None else by_caller(connection)


class Limiter:
    """Asks a store, and knows what to do when it does not answer.

    After five failures within ten seconds it is not asked for five: that cost would be paid by
    every request.
    """

    def __init__(
        self, store: CounterStore, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the store that is shared."""
        self._store = store
        self._local = MemoryCounters(clock=clock)
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=_FAILURES)
        self._closed_until = -math.inf

    async def ask(self, hits: Sequence[Hit], on_failure: OnFailure) -> Sequence[Decision]:
        """Count these.

        Returns:
            A decision for each; none where the store is down and that lets everybody pass.

        Raises:
            Unavailable: The store is down, and that lets nobody pass.
        """
        if self._clock() >= self._closed_until:
            try:
                with anyio.fail_after(_ANSWER_S):
                    return await self._store.hit(hits)
            except (Unavailable, TimeoutError) as error:
                self._note(error)
        if on_failure == "closed":
            raise Unavailable("rates cannot be checked now", retry_after_s=1.0)
        return self._local.hit_now(hits) if on_failure == "local" else ()

    def _note(self, error: Exception) -> None:
        now = self._clock()
        self._failed.append(now)
        if len(self._failed) == _FAILURES and now - self._failed[0] <= _WITHIN_S:
            self._failed.clear()
            self._closed_until = now + _OPEN_S
            _LOGGER.warning("the store of rates is left alone for %g s: %s", _OPEN_S, error)


_LIMITERS: WeakKeyDictionary[Any, Limiter] = WeakKeyDictionary()


async def limiter_of(app: Any) -> Limiter:
    """Return the one limiter of an application: over the bound `CounterStore`, else in memory."""
    found = _LIMITERS.get(app)
    if found is None:
        bound = CounterStore in app.container
        store = await app.container.get(CounterStore) if bound else MemoryCounters()
        found = _LIMITERS.setdefault(app, Limiter(store))
    return found


class RateLimitMiddleware(BaseMiddleware):
    """Lets each client come so often, and answers 429 with ``Retry-After`` after that.

    Every answer says what is left, as ``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-
    ratelimit-headers, structured fields) and as ``RateLimit-Limit``, ``-Remaining``, ``-Reset``.
    Probes, preflights and refusals cost nothing.

    Args:
        limit: ``"100/minute"``, ``"5/10 seconds"``.
        key: Who counts: `client_ip`, `by_caller`, `by_tenant`, or a function of the connection.
        store: Instead of the `CounterStore` that is bound, or of memory.
        burst: How many at once; as many as in the period unless told.
        name: Of the rule, in headers; several rules have several.
        on_failure: When the store is down: count in this process, let pass, or refuse with 503.

    Raises:
        ValueError: The rate is none.
    """

    stage: ClassVar[Stage] = Stage.RATE_ADDRESS

    def __init__(
        self,
        limit: str = "100/minute",
        key: Key = client_ip,
        store: CounterStore | None = None,
        *,
        burst: int | None = None,
        name: str = "default",
        on_failure: OnFailure = "local",
    ) -> None:
        self._rule = _Rule(limit, burst, key, name, 1, on_failure)
        self._limiter = None if store is None else Limiter(store)
        if key is not client_ip:
            # What asks who is calling stands behind what knows it.
            self.stage = Stage.RATE_CALLER  # type: ignore[misc]  # read from the instance

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Count the request, then pass on.

        Raises:
            RateLimited: It is one too many.
            Unavailable: The store is down, and so it was to be.
        """
        limiter = self._limiter or await limiter_of(request.scope["app"])
        decision = await self._rule.asked(limiter, request)
        if decision is None:
            return await call_next()
        response.on_send(self._rule.headers(decision))
        self._rule.insist(decision, request)
        return await call_next()

    async def handshake(self, websocket: Connection) -> None:
        """Count a socket that opens.

        Raises:
            RateLimited: It is one too many.
        """
        limiter = self._limiter or await limiter_of(websocket.scope["app"])
        decision = await self._rule.asked(limiter, websocket)
        if decision is not None:
            self._rule.insist(decision, websocket)


class RateGuard:
    """What `rate_limit` makes."""

    rank: ClassVar = 3
    decides: ClassVar = False  # it counts whoever comes

    def __init__(self, rule: "_Rule") -> None:
        self._rule = rule

    def __call__(self, target: T) -> T:
        """Note this guard on a handler or controller class and return the very same object."""
        if not self._rule.name:
            module = getattr(target, "__module__", "")
            self._rule.name = f"{module}.{getattr(target, '__qualname__', 'route')}"
        return guarded(target, self)

    async def check(self, connection: Connection) -> None:
        """Count it.

        Raises:
            RateLimited: It is one too many.
            Unavailable: The store is down, and so it was to be.
        """
        decision = await self._rule.asked(await limiter_of(connection.scope["app"]), connection)
        if decision is not None:
            self._rule.insist(decision, connection)


def rate_limit(
    limit: str,
    *,
    burst: int | None = None,
    key: Key = by_caller,
    name: str = "",
    cost: int = 1,
    on_failure: OnFailure = "local",
) -> RateGuard:
    """Guard a handler or controller: so often for each caller, 429 after that.

    To be written as ``auth`` is, in any order with it: it is asked after who is calling and what
    they may do.

    Args:
        limit: ``"5/minute"``.
        burst: How many at once; as many as in the period unless told.
        key: Who counts.
        name: Rules of one name share their counts; the handler's own name unless told.
        cost: For how many a request counts.
        on_failure: When the store is down: count in this process, let pass, or refuse with 503,
            which is for logins and the like.

    Raises:
        ValueError: The rate is none.
    """
    return RateGuard(_Rule(limit, burst, key, name, cost, on_failure))


class _Rule:
    """A rate with who counts under it."""

    __slots__ = ("_cost", "_key", "_on_failure", "_policy", "_rate", "name")

    def __init__(
        self,
        limit: str,
        burst: int | None,
        key: Key,
        name: str,
        cost: int,
        on_failure: OnFailure,
    ) -> None:
        if on_failure not in ("local", "open", "closed"):
            raise ValueError(f"on_failure is 'local', 'open' or 'closed', not {on_failure!r}")
        if cost < 1:
            raise ValueError(f"cost is at least 1, not {cost}")
        if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
            raise ValueError(f"the name {name!r} cannot stand in a header field")
        self._rate = Rate.of(limit, burst)
        self._key = key
        self._cost = cost
        self._on_failure: OnFailure = on_failure
        self.name = name
        self._policy = b'"%b";q=%d;w=%d' % (
            name.encode(),
            self._rate.count,
            math.ceil(self._rate.period_s),
        )

    async def asked(self, limiter: Limiter, connection: Connection) -> Decision | None:
        who = self._key(connection)
        if not who:
            return None
        rate = self._rate
        key = f"{self.name}|{rate.count}/{rate.period_s:g}|{who}"
        hit = Hit(key, rate, self._cost)
        decided = await limiter.ask((hit,), self._on_failure)
        return decided[0] if decided else None

    def insist(self, decision: Decision, connection: Connection) -> None:
        if not decision.allowed:
            signals: Signals = connection.scope["app"].signals
            if signals.hears(RequestLimited):
                signals.tell(RequestLimited(self.name, connection.scope))
            raise RateLimited(retry_after_s=decision.retry_after_s)

    def headers(self, decision: Decision) -> tuple[tuple[bytes, bytes], ...]:
        remaining, reset = b"%d" % decision.remaining, b"%d" % math.ceil(decision.reset_s)
        return (
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", b'"%b";r=%b;t=%b' % (self.name.encode(), remaining, reset)),
            (b"ratelimit-limit", b"%d" % self._rate.count),
            (b"ratelimit-remaining", remaining),
            (b"ratelimit-reset", reset),
        )
