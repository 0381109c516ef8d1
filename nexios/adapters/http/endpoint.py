"""One route, compiled: the container's plan, what its result becomes, who answers its errors."""

from nexios.adapters.http.builder import Response
from nexios.adapters.http.encode import is_implicit, is_streamed
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.handlers import ErrorPolicy
from nexios.adapters.http.pipeline import ROUTE_DEPTH, Answer, Serve, chain, take
from nexios.adapters.http.response import NO_BLOCK, BaseResponse
from nexios.application.limits import Limits
from nexios.container.entry import Entry, Held


class Endpoint:
    """A handler with everything around it that belongs to its route.

    Attributes:
        template: Of the route, for logs: never the path, which clients choose.
        limits: Of the route, where they differ from the app's.
        serve: The outermost call: middleware of routers, controller and route, then the plan.
    """

    __slots__ = ("_entry", "_errors", "_nothing", "limits", "serve", "template")

    def __init__(
        self,
        entry: Entry,
        template: str,
        errors: ErrorPolicy,
        middleware: tuple[object, ...],
        *,
        limits: Limits | None,
        status: int | None,
    ) -> None:
        """Put the layers around the plan.

        Args:
            status: What the route says its answers have.

        Raises:
            NotMiddleware: One of ``middleware`` cannot stand there.
        """
        self._entry = entry
        self._errors = errors
        self._nothing = BaseResponse.made(b"", status or 204, NO_BLOCK)
        self.template = template
        self.limits = limits
        self.serve: Serve = chain(middleware, self._call, depth=ROUTE_DEPTH)

    async def _call(self, exchange: Exchange) -> Answer:
        # An override swaps the plan by one assignment, so it is read for each call.
        plan = self._entry.plan
        exchange.errors = self._errors
        try:
            answer = plan.call(exchange)
            if plan.awaits:
                answer = await answer  # type: ignore[misc]  # the plan says so; a cast is a call
            if plan.finish is not None:
                answer = plan.finish(answer)
            if type(answer) is Held:
                answer = await self._hold(exchange, answer)
        except Exception as error:
            if exchange.noted is not None:
                exchange.noted.clear()
            # The scope has closed: what is made of the error now cannot undo a roll-back.
            answered = await self._errors.answer(exchange, error)
            if answered is None:
                raise
            return answered
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
