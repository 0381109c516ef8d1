"""The slots of one request: the wire, its path values, and what was made of it so far."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from nexios.adapters.asgi.connection import DEFAULT_LIMITS
from nexios.adapters.asgi.inflight import Flight
from nexios.adapters.asgi.multidict import FormData, QueryParams
from nexios.adapters.asgi.types import Message, Receive, Scope, Send
from nexios.adapters.http.background import Tasks, Work
from nexios.adapters.http.body import BodyReader
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import HttpError, UnsupportedMediaType
from nexios.adapters.http.forms import FORM_TYPES, FormReader
from nexios.adapters.http.idle import ANY_LOOP, Begun, Waits
from nexios.adapters.http.request import Request
from nexios.adapters.http.response import BaseResponse
from nexios.adapters.http.whole import Arrived, is_json, whole_json
from nexios.application.limits import Limits

NO_PARAMS: Final[Mapping[str, Any]] = {}
NO_FORM: Final = FormData()


class PathValues:
    """What stands for the exchange before a plan that reads values of the path alone.

    It is given them after it is made: 0.05 us less than by a constructor.
    """

    __slots__ = ("path_params",)

    path_params: Mapping[str, Any]


NO_VALUES: Final = PathValues()
NO_VALUES.path_params = NO_PARAMS


class Policy(Protocol):
    """Who answers errors at one place."""

    async def answer(self, exchange: "Exchange", error: Exception) -> Any:
        """Return the answer for ``error``, an ``Answer``; None when nobody here knows it."""


class Exchange:
    """One request on its way through the house. Never shared, never kept.

    Request, builder and body reader are made when somebody asks for them; a handler that needs
    none of them and has no middleware around it causes none.

    Attributes:
        limits: Of the endpoint once it is known, of the app before.
        waits: How the app's event loop waits with a bound.
        path_params: Values of the path template, converted.
        route: The template that matched, for logs; None on a miss.
        inputs: Checked values of the binding, by its keys.
        faults: What was wrong with simple parameters while the body is still to be read.
        depth: How far into the middleware this request has come.
        miss: What a path or method without an endpoint is answered with.
        asked: The request object, if somebody asked for it.
        builder: The builder, if somebody asked for it.
        form: The reader of forms, if somebody asked for it; its files are closed at the end.
        flight: Its cancel scope, where it can wait.
        errors: Who answers errors of the endpoint that was reached, a file's while it is sent.
        held: Closes the scope a stream was made in; None where there is nothing to close.
        noted: Work for after the answer, if a handler or service asked for ``Tasks``.
    """

    __slots__ = (
        "_content",
        "_query",
        "_reader",
        "asked",
        "builder",
        "depth",
        "errors",
        "faults",
        "flight",
        "form",
        "held",
        "inputs",
        "limits",
        "miss",
        "noted",
        "path_params",
        "receive",
        "route",
        "scope",
        "send",
        "waits",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        limits: Limits = DEFAULT_LIMITS,
        waits: Waits = ANY_LOOP,
    ) -> None:
        """Take one ASGI call apart; ``limits`` and ``waits`` are the app's."""
        self.scope = scope
        self.receive = receive
        self.send = send
        self.limits = limits
        self.waits = waits
        self.path_params = NO_PARAMS
        self.route: str | None = None
        self.inputs: dict[str, object] | None = None
        self.faults: tuple[list[dict[str, str]], int] | None = None
        self.depth = 0
        self.miss: BaseResponse | HttpError | None = None
        self.builder: Response | None = None
        self.form: FormReader | None = None
        self.errors: Policy | None = None
        self.flight: Flight | None = None
        self.held: Callable[[BaseException | None], Awaitable[None]] | None = None
        self.noted: Tasks | None = None
        self.asked: Request | None = None
        self._reader: BodyReader | None = None
        self._content: bytes | None = None
        self._query: QueryParams | None = None

    @property
    def request(self) -> Request:
        """The request object, made when first asked for."""
        request = self.asked
        if request is None:
            request = self.asked = Request(self.scope, self.receive, self.send, exchange=self)
        return request

    @property
    def response(self) -> Response:
        """The builder, made when first asked for."""
        builder = self.builder
        if builder is None:
            builder = self.builder = Response(self.scope)
            builder.exchange = self
        return builder

    @property
    def tasks(self) -> Tasks:
        """Takes work for after the answer; made when first asked for."""
        tasks = self.noted
        if tasks is None:
            tasks = self.noted = Tasks()
        return tasks

    def works(self) -> list[Work]:
        """Return what is to be done after the answer, however it was noted."""
        builder = self.builder
        given = [self.noted, None if builder is None else builder.tasks]
        return [work for tasks in given if tasks is not None for work in tasks.noted]

    async def release(self, error: BaseException | None = None) -> None:
        """Close the scope that a stream kept open, if there is one; ``error`` is thrown into it.

        Raises:
            Exception: A clean-up failed.
        """
        close, self.held = self.held, None
        if close is not None:
            await close(error)

    async def departure(self) -> Message:
        """Wait until the peer has left: the ``receive`` of an answer that takes its time."""
        await self.reader.departed()
        return {"type": "http.disconnect"}

    def receive_again(self) -> Receive:
        """Return the ``receive`` of a mounted application: with what was read before it came.

        Raises:
            BodyConsumed: Too much was read for that to be kept.
        """
        if self._reader is None and self._content is None:
            return self.receive
        return self.reader.again()

    @property
    def reader(self) -> BodyReader:
        """The one reader of the body, shared by the binding and the request object."""
        reader = self._reader
        if reader is None:
            reader = BodyReader(self.receive, self.scope["headers"], self.limits, self.waits)
            self._reader = reader
            if self._content is not None:
                reader.hold(self._content)
        return reader

    @property
    def form_reader(self) -> FormReader:
        """The one reader of the form, shared by the binding and the request object."""
        form = self.form
        if form is None:
            form = self.form = FormReader(self.reader, self.scope["headers"], self.limits)
        return form

    @property
    def form_data(self) -> FormData:
        """The form, once ``read_form`` has read it; empty before."""
        data = self.form_reader.data
        return NO_FORM if data is None else data

    @property
    def query(self) -> QueryParams:
        """The query string, parsed when first asked for."""
        query = self._query
        if query is None:
            query = QueryParams.parse(
                self.scope.get("query_string", b""), limit=self.limits.query_fields
            )
            self._query = query
        return query

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies. Asked of the request: whether the line is safe, proxies have a say in."""
        return self.request.cookies

    def header(self, name: bytes) -> bytes | None:
        """Return the last header of this lower-case name."""
        found = None
        for key, value in self.scope["headers"]:
            if key == name:
                found = value
        return found

    async def read_json(self) -> bytes:
        """Return the body, empty when none came.

        Raises:
            UnsupportedMediaType: There is one, and it does not say that it is JSON.
            BodyTooLarge: It is over the limit.
        """
        content = self.json_at_once()
        if content is not None:
            return content
        # The last of a repeated name, as ``header`` has it; one pass instead of five.
        fields = dict(self.scope["headers"])
        length = fields.get(b"content-length")
        if length is None and b"transfer-encoding" not in fields:
            # Without either there is no body (RFC 9112, 6.3); HTTP/2 may send one all the same.
            content = await self.reader.read()
            if content:
                _refuse_other_bodies(fields)
            return content
        if length != b"0":
            _refuse_other_bodies(fields)
        return await self.reader.read()

    def json_at_once(self) -> bytes | None:
        """Return a body of JSON that has come as one message; None says to `read_json`.

        Raises:
            BodyTooLarge: It is over the limit.
            ClientDisconnect: The peer has left.
        """
        if self._content is None and self._reader is None and self.waits.steps:
            self.take(whole_json(self.scope["headers"], self.receive, self.limits.body))
        return self._content

    def take(self, arrived: Arrived) -> None:
        """Take the body, or what came of it so far; the reader goes on with that.

        Raises:
            BodyTooLarge: It is over the limit.
            ClientDisconnect: The peer has left.
        """
        if type(arrived) is bytes:
            self._content = arrived
        elif type(arrived) is Begun:
            self.reader.go_on(arrived)
        elif arrived is not None:
            self.reader.take_first(arrived)  # type: ignore[arg-type]  # the message that is left

    async def read_form(self) -> FormReader:
        """Read the form; an absent body is an empty one.

        Raises:
            UnsupportedMediaType: There is a body, and it does not say that it is a form.
            HttpError: What ``FormReader.read`` raises.
        """
        kind = (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()
        if kind.decode("latin-1") not in FORM_TYPES:
            length, coding = self.header(b"content-length"), self.header(b"transfer-encoding")
            if length not in (None, b"0") or coding is not None or await self.reader.read():
                raise UnsupportedMediaType("the body must be a form")
        form = self.form_reader
        await form.read()
        return form


def _refuse_other_bodies(fields: Mapping[bytes, bytes]) -> None:
    encoding = fields.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() != b"identity":
        raise UnsupportedMediaType("the body must not be compressed")
    # A page of another site can post text/plain without being asked first: no guessing.
    if not is_json(fields.get(b"content-type", b"")):
        raise UnsupportedMediaType("the body must be application/json")
