"""One route, compiled: the container's plan, what its result becomes, who answers its errors."""

from collections.abc import Callable, Mapping
from typing import Any

from nexios.adapters.http.builder import Response
from nexios.adapters.http.encode import Encoded, is_implicit, is_streamed
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.handlers import ErrorPolicy
from nexios.adapters.http.pipeline import ROUTE_DEPTH, Answer, Serve, chain, take
from nexios.adapters.http.response import NO_BLOCK, BaseResponse
from nexios.adapters.http.timing import Clock
from nexios.application.limits import Limits
from nexios.container.entry import Entry, Held


class Endpoint:
    """A handler with everything around it that belongs to its route.

    Attributes:
        template: Of the route, for logs: never the path, which clients choose.
        limits: Of the route, where they differ from the app's.
        serve: The outermost call: middleware of routers, controller and route, then the plan.
        entry: The container's; None where middleware stands around it, so that `serve` is asked.
        clock: Bounds its time; None where it cannot wait.
        errors: Who answers what the plan raises.
        path_only: The getters of its plan read values of the path alone.
        alone: Makes the only value that its plan reads of a whole body of JSON; None where it
            reads something else.
        body: The limit of that body, in bytes.
    """

    __slots__ = (
        "_entry",
        "_nothing",
        "alone",
        "body",
        "clock",
        "entry",
        "errors",
        "limits",
        "path_only",
        "serve",
        "template",
    )

    def __init__(
        self,
        entry: Entry,
        template: str,
        errors: ErrorPolicy,
        middleware: tuple[object, ...],
        *,
        limits: Limits | None,
        status: int | None,
        path_only: bool = False,
        alone: Callable[[bytes], object] | None = None,
        body: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Put the layers around the plan.

        Args:
            status: What the route says its answers have.
            path_only: See above.
            alone: See above.
            body: See above.
            clock: See above.

        Raises:
            NotMiddleware: One of ``middleware`` cannot stand there.
        """
        self._entry = entry
        self.entry: Entry | None = None if middleware else entry
        self.clock = clock
        self.errors = errors
        self.path_only = path_only
        self.alone = alone
        self.body = body
        self._nothing = BaseResponse.made(b"", status or 204, NO_BLOCK)
        self.template = template
        self.limits = limits
        serve = chain(middleware, self._call, depth=ROUTE_DEPTH)
        self.serve: Serve = serve if clock is None else clock.around(serve, self._rescued)

    def enter(self, exchange: Exchange, params: Mapping[str, Any]) -> Exchange:
        """Tell the exchange which endpoint its request has come to; return it."""
        outer = exchange.scope.get("path_params")
        if outer or params:
            # Those of the place an application is mounted at stand beside its own.
            exchange.scope["path_params"] = {**outer, **params} if outer else params
            exchange.path_params = params
        exchange.route = self.template
        exchange.errors = self.errors
        if self.limits is not None:
            exchange.limits = self.limits
        return exchange

    async def _call(self, exchange: Exchange) -> Answer:
        # The gateway does the same itself where nothing stands around: one coroutine less.
        # An override swaps the plan by one assignment, so it is read for each call.
        plan = self._entry.plan
        try:
            answer = plan.call(exchange)
            if plan.awaits:
                answer = await answer  # type: ignore[misc]  # the plan says so; a cast is a call
            if (finish := plan.finish) is not None:
                # What calling it does, without the call.
                answer = finish.rows[type(answer)](answer)  # type: ignore[attr-defined]
        except Exception as error:
            return await self._rescued(exchange, error)
        if type(answer) is tuple:
            builder = exchange.builder
            if builder is not None and builder.fill(*answer):
                return builder
        return await self.join(exchange, answer)

    async def _rescued(self, exchange: Exchange, error: Exception) -> Answer:
        answer = await self.rescue(exchange, error)
        return answer if exchange.builder is None else take(exchange.builder, answer)

    async def rescue(self, exchange: Exchange, error: Exception) -> Answer:
        """Answer what the plan raised.

        Raises:
            Exception: The same error, where nobody here knows an answer to it.
        """
        if exchange.noted is not None:
            exchange.noted.clear()
        # The scope has closed: what is made of the error now cannot undo a roll-back.
        answered = await self.errors.answer(exchange, error)
        if answered is None:
            raise error
        return answered

    async def join(self, exchange: Exchange, answer: object) -> Answer:
        """Return what the plan gave, together with what was said on the builder."""
        if type(answer) is tuple:
            answer = Encoded(*answer)
        if type(answer) is Held:
            try:
                answer = await self._hold(exchange, answer)
            except Exception as error:
                return await self._rescued(exchange, error)
        builder = exchange.builder
        if builder is None:
            return self._nothing if answer is None else answer  # type: ignore[return-value]
        if answer is None and not builder.touched:
            return take(builder, self._nothing)
        return join(builder, answer)  # type: ignore[arg-type]  # what the encoder made

    async def _hold(self, exchange: Exchange, held: Held) -> object:
        """Keep the scope open for a stream; anything else has closed it before it goes out."""
        answer = held.result
        if not is_streamed(exchange.builder if answer is None else answer):
            await held.close(None)
        else:
            exchange.held = held.close
        return answer


def join(builder: Response, answer: Answer | None) -> Response:
    """Return the builder with the answer; headers, cookies and a status set on it stay."""
    own = builder.status_code if builder.status_set and is_implicit(answer) else None
    take(builder, answer)
    return builder if own is None else builder.status(own)
