"""The body of a request: bytes, text, JSON, form and files, read when asked and then kept."""

import codecs
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, Generic, Protocol, TypeVar

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.multidict import FormData, MultiDict
from nexios.adapters.asgi.nul import may_hold_nul
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.http.body import BodyReader
from nexios.adapters.http.errors import MalformedBody, RequestInvalid, UnsupportedMediaType
from nexios.adapters.http.faults import nul_in_body, nul_in_form
from nexios.adapters.http.forms import FormReader
from nexios.adapters.http.json_text import parse_json
from nexios.adapters.http.uploads import UploadedFile
from nexios.application.limits import Limits

T = TypeVar("T")

# Codecs of Python that are no charsets: they make lone surrogates, or take quadratic time.
_NO_CHARSETS: Final = frozenset(
    ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7")
)


class Exchanging(Protocol):
    """What a request shares with the binding: one reader, one set of limits."""

    @property
    def limits(self) -> Limits: ...

    @property
    def reader(self) -> BodyReader: ...

    @property
    def form_reader(self) -> FormReader: ...


class Later(Generic[T]):
    """A value to be awaited, with or without calling it: ``await x`` and ``await x()``."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._read = read

    def __await__(self) -> Generator[Any, Any, T]:
        return self._read().__await__()

    def __call__(self) -> Awaitable[T]:
        """Return the same, for those who write the brackets."""
        return self


class FormLater(Later[FormData]):
    """A form to be awaited, or opened by ``async with``, which closes its files at the end."""

    __slots__ = ("_opened",)

    async def __aenter__(self) -> FormData:
        self._opened = await self._read()
        return self._opened

    async def __aexit__(self, *_error: object) -> None:
        await self._opened.close()


class RequestBody(Connection):
    """The body of a request in each of its forms; the wire is read once, whatever is asked."""

    __slots__ = ("_exchange", "_files", "_form", "_json", "_reader", "_send", "receive")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send | None = None,
        *,
        limits: Limits | None = None,
        exchange: Exchanging | None = None,
    ) -> None:
        """Read one request.

        Args:
            send: For server push alone.
            limits: Instead of the app's.
            exchange: The request on its way through the house; its limits are the route's once
                there is one.
        """
        # What Connection's own does, without the call.
        self.scope = scope
        self._limits = limits
        self._headers = self._query = self._cookies = self._scheme = self._state = None
        self.receive = receive
        self._send = send
        self._exchange = exchange
        self._reader: BodyReader | None = None
        self._json: tuple[Any] | None = None
        self._form: FormReader | None = None
        self._files: MultiDict[UploadedFile] | None = None

    @property
    def limits(self) -> Limits:
        """The limits that hold now: of the route, else of the app."""
        return super().limits if self._exchange is None else self._exchange.limits

    # The body.

    @property
    def body_reader(self) -> BodyReader:
        """What reads the wire; the binding of parameters shares it."""
        if self._exchange is not None:
            return self._exchange.reader
        if self._reader is None:
            self._reader = BodyReader(self.receive, self.scope["headers"], self.limits)
        return self._reader

    @property
    def body(self) -> Later[bytes]:
        """``await request.body``: all of it, read once.

        Raises:
            BodyTooLarge: Over the limit.
            BodyStalled: No byte for ``limits.body_idle_s``.
            ClientDisconnect: The peer left.
        """
        return Later(self.body_reader.read)

    @property
    def text(self) -> Later[str]:
        """``await request.text``, in the charset of the content type, UTF-8 without one.

        Raises:
            MalformedBody: It is no text in that charset.
            UnsupportedMediaType: There is no such charset.
        """
        return Later(self._read_text)

    @property
    def json(self) -> Later[Any]:
        """``await request.json``: the value, decoded once; an empty body is ``{}``.

        Raises:
            MalformedBody: It is no JSON in UTF-8, or too complex.
            RequestInvalid: A text in it holds U+0000.
        """
        return Later(self._read_json)

    @property
    def form_reader(self) -> FormReader:
        """What reads the form; the binding of parameters shares it."""
        if self._exchange is not None:
            return self._exchange.form_reader
        if self._form is None:
            self._form = FormReader(self.body_reader, self.scope["headers"], self.limits)
        return self._form

    @property
    def form(self) -> FormLater:
        """``await request.form``: texts and files, read once; empty when the body is no form.

        Raises:
            FormTooLarge: Too many parts, or one is over its limit.
            MalformedBody: It says it is a form and is not.
            RequestInvalid: A text in it holds U+0000.
        """
        return FormLater(self._read_form)

    form_data = form

    @property
    def files(self) -> Later[MultiDict[UploadedFile]]:
        """``await request.files``: those of the form; ``files["a"]`` is the last of its name."""
        return Later(self._read_files)

    async def close(self) -> None:
        """Close the files of the form, if it was read."""
        self.form_reader.close()

    def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, never more than the limit."""
        return self.body_reader.stream()

    async def _read_text(self) -> str:
        body = await self.body_reader.read()
        charset = parameter(self.headers.get("content-type") or "", "charset") or "utf-8"
        try:
            if codecs.lookup(charset).name in _NO_CHARSETS:
                raise LookupError
            return body.decode(charset)
        except UnicodeDecodeError:
            raise MalformedBody(f"the body is not text in {charset[:40]}") from None
        except (LookupError, ValueError):  # a name with NUL is a ValueError
            raise UnsupportedMediaType("the charset of the body is not known") from None

    async def _read_json(self) -> Any:
        if self._json is None:
            body = await self.body_reader.read()
            value = parse_json(body, self.limits)
            if may_hold_nul(body):
                faults, total = nul_in_body(value, self.limits.errors)
                if total:
                    raise RequestInvalid(faults, total)
            self._json = (value,)
        return self._json[0]

    async def _read_form(self) -> FormData:
        reader = self.form_reader
        form = await reader.read()
        if names := reader.nul_names:
            faults = [nul_in_form(name) for name in names[: self.limits.errors]]
            raise RequestInvalid(faults, len(names))
        return form

    async def _read_files(self) -> MultiDict[UploadedFile]:
        if self._files is None:
            await self._read_form()
            self._files = MultiDict(self.form_reader.files)
        return self._files


def parameter(value: str, name: str) -> str:
    """Return a parameter of a header's value in lower case; "" when it has none."""
    for part in value.split(";")[1:]:
        key, _, text = part.partition("=")
        if key.strip().lower() == name:
            return text.strip().strip('"').lower()
    return ""
