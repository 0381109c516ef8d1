"""What an HTTP request and a WebSocket have in common: reading one ASGI scope."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from nexios.adapters.asgi.cookies import parse_cookies
from nexios.adapters.asgi.errors import SessionUnavailable
from nexios.adapters.asgi.headers import Headers
from nexios.adapters.asgi.multidict import QueryParams
from nexios.adapters.asgi.proxies import TrustedProxies
from nexios.adapters.asgi.repetition import idempotency_key
from nexios.adapters.asgi.state import RouteParam, State
from nexios.adapters.asgi.types import RawHeader, Scope
from nexios.adapters.asgi.url import (
    DEFAULT_PORTS,
    URL,
    Address,
    parse_authority,
    quote_path,
    quote_query,
)
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.limits import Limits

DEFAULT_LIMITS: Final = Limits()


class HostConfig(Protocol):
    """The settings a connection reads."""

    @property
    def trusted_proxies(self) -> Sequence[str] | None: ...


class HostApp(Protocol):
    """What a connection reads of the app in ``scope["app"]``."""

    @property
    def config(self) -> HostConfig: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def state(self) -> dict[str, Any]: ...

    @property
    def anonymous_user(self) -> object: ...


class Connection(Mapping[str, Any]):
    """Reads a scope; reading never writes to it. As a mapping it is the scope itself.

    Everything is parsed when it is first asked for and kept.
    """

    __slots__ = ("_cookies", "_headers", "_limits", "_query", "_scheme", "_state", "scope")

    def __init__(self, scope: Scope, *, limits: Limits | None = None) -> None:
        """Read ``scope``.

        Args:
            limits: Of the endpoint; without them those of the app hold.
        """
        self.scope = scope
        self._limits = limits
        self._headers: Headers | None = None
        self._query: QueryParams | None = None
        self._cookies: dict[str, str] | None = None
        self._scheme: str | None = None
        self._state: State | None = None

    def __getitem__(self, key: str) -> Any:
        return self.scope[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scope)

    def __len__(self) -> int:
        return len(self.scope)

    # Two requests with equal scopes are two requests.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def limits(self) -> Limits:
        """The limits that hold here: of the endpoint, else of the app."""
        if self._limits is None:
            app: HostApp | None = self.scope.get("app")
            self._limits = DEFAULT_LIMITS if app is None else app.limits
        return self._limits

    @property
    def app(self) -> Any:
        """The application that serves; ``Any``, since it stands floors above."""
        return self.scope.get("app")

    @property
    def base_app(self) -> Any:
        """The outermost application, the one the server called."""
        return self.scope.get("base_app", self.scope.get("app"))

    @property
    def path(self) -> str:
        """The whole decoded path, prefixes of mounts included."""
        path: str = self.scope["path"]
        return path

    @property
    def headers(self) -> Headers:
        """The header fields of the request."""
        if self._headers is None:
            self._headers = Headers(self.scope["headers"])
        return self._headers

    @property
    def query_params(self) -> QueryParams:
        """The fields of the query string.

        Raises:
            TooManyQueryFields: Over ``limits.query_fields``.
            NulInQuery: There is a U+0000.
        """
        if self._query is None:
            self._query = QueryParams.parse(
                self.scope.get("query_string", b""), limit=self.limits.query_fields
            )
        return self._query

    @property
    def path_params(self) -> RouteParam:
        """The converted values of the path; before routing there are none."""
        found: dict[str, Any] | None = self.scope.get("path_params")
        if isinstance(found, RouteParam):
            return found
        return RouteParam(found or {})

    @property
    def cookies(self) -> dict[str, str]:
        """Cookie names to values; the first of two with one name.

        Raises:
            CookiesTooLarge: Over ``limits.cookie_bytes`` or ``limits.cookie_pairs``.
        """
        if self._cookies is None:
            self._cookies = parse_cookies(
                "; ".join(self.headers.getlist("cookie")),
                max_bytes=self.limits.cookie_bytes,
                max_pairs=self.limits.cookie_pairs,
                secure=self.is_secure,
            )
        return self._cookies

    @property
    def client(self) -> Address | None:
        """The peer at the other end of this connection, which may be a proxy."""
        found = self.scope.get("client")
        return None if found is None else Address(found[0], found[1])

    def get_client_ip(self) -> str:
        """Return the client's address, believing trusted proxies only; "" when unknown."""
        return self._proxies().client(self._peer(), self.headers)

    @property
    def scheme(self) -> str:
        """``http``, ``https``, ``ws`` or ``wss``, believing trusted proxies only."""
        if self._scheme is None:
            own: str = self.scope.get("scheme", "http")
            self._scheme = self._proxies().scheme(self._peer(), own, self.headers)
        return self._scheme

    @property
    def is_secure(self) -> bool:
        """Whether the client came over TLS."""
        return self.scheme in ("https", "wss")

    @property
    def host(self) -> str:
        """``host[:port]`` as the client named it, else as the server knows itself.

        What is not an authority of RFC 3986, or stands there twice, is not believed.
        """
        told = self.headers.getlist("host")
        if len(told) == 1 and parse_authority(told[0]) is not None:
            return told[0]
        server = self.scope.get("server")
        if server is None or parse_authority(str(server[0])) is None:
            return "localhost"
        name, port = server
        if port is None or port == DEFAULT_PORTS.get(self.scheme):
            return str(name)
        return f"{name}:{port}"

    @property
    def url(self) -> URL:
        """The whole address, percent-encoded."""
        query = quote_query(self.scope.get("query_string", b""))
        tail = f"?{query}" if query else ""
        return URL(f"{self.scheme}://{self.host}{quote_path(self.path)}{tail}")

    @property
    def base_url(self) -> URL:
        """The address of the application's root, with a slash at its end."""
        root = self.scope.get("root_path", "").rstrip("/")
        return URL(f"{self.scheme}://{self.host}{quote_path(root)}/")

    @property
    def state(self) -> State:
        """Values of this connection; reading falls back to the server's and the app's state."""
        if self._state is None:
            app: HostApp | None = self.scope.get("app")
            shared: list[Mapping[str, Any]] = [self.scope.get("state") or {}]
            if app is not None:
                shared.append(app.state)
            self._state = State(None, *shared)
        return self._state

    @property
    def user(self) -> Any:
        """Whoever was proven to be calling, else the app's anonymous user.

        ``Any``: the user object is the application's own.

        Raises:
            Unavailable: What proves users broke. Somebody unknown is not nobody.
        """
        scope = self.scope
        if "user" in scope:
            return scope["user"]
        if "broken_identity" in scope:
            raise scope["broken_identity"]
        app: HostApp | None = scope.get("app")
        return None if app is None else app.anonymous_user

    @user.setter
    def user(self, user: object) -> None:
        self.scope["user"] = user

    @property
    def session(self) -> Any:
        """What is kept of this client between its requests, as its middleware made it.

        Raises:
            SessionUnavailable: No middleware made one (an AssertionError).
        """
        if "session" not in self.scope:
            raise SessionUnavailable
        return self.scope["session"]

    @session.setter
    def session(self, session: object) -> None:
        self.scope["session"] = session

    @property
    def has_session(self) -> bool:
        """Whether a session can be asked for here."""
        return "session" in self.scope

    @property
    def auth(self) -> str:
        """The scheme that proved the user, or ``"no-auth"``."""
        scheme: str = self.scope.get("auth", "no-auth")
        return scheme

    @property
    def caller(self) -> Caller:
        """Who is calling, in the words of the application; raises as `user` does.

        Raises:
            RequestRefused: The ``Idempotency-Key`` is not one.
        """
        if "broken_identity" in self.scope:
            raise self.scope["broken_identity"]
        caller: Caller = self.scope.get("caller", ANONYMOUS)
        key = idempotency_key(self.scope)
        return caller if key is None else replace(caller, idempotency_key=key)

    def _peer(self) -> str | None:
        client = self.scope.get("client")
        return None if client is None else client[0]

    def _proxies(self) -> TrustedProxies:
        app: HostApp | None = self.scope.get("app")
        return TrustedProxies.of(None if app is None else app.config.trusted_proxies)

    def raw_header(self, name: bytes) -> bytes | None:
        """Return the last value of one field as bytes; ``name`` in lower case."""
        pairs: Sequence[RawHeader] = self.scope["headers"]
        for key, value in reversed(pairs):
            if key == name:
                return value
        return None
