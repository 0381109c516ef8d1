"""Old addresses and names of Nexios 2.11, served from their new homes.

Nothing is here but a table of texts and the finder that reads it: importing an old address
warns once (DeprecationWarning, with the new home) and yields the very objects that live there.
"""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

_ASGI: Final = "nexios.adapters.asgi"
_HTTP: Final = "nexios.adapters.http"

# Old module to "home: names", and "home: old=new" where the name changed, too.
_TABLE: Final[Mapping[str, Sequence[str]]] = {
    "http.request": (
        f"{_HTTP}.request: Request",
        f"{_ASGI}.connection: HTTPConnection=Connection",
        f"{_ASGI}.errors: ClientDisconnect",
    ),
    "http.response": (
        (
            f"{_HTTP}.response: BaseResponse PlainTextResponse HTMLResponse JSONResponse "
            "RedirectResponse Response=BaseResponse"
        ),
        f"{_HTTP}.files: FileResponse",
        f"{_HTTP}.stream: StreamingResponse",
        f"{_HTTP}.builder: NexiosResponse=Response",
    ),
    "http.formparsers": (f"{_ASGI}.multidict: FormData", f"{_HTTP}.uploads: UploadedFile"),
    "http.cookies_parser": (f"{_ASGI}.cookies: parse_cookies",),
    "config.base": ("nexios.config: MakeConfig",),
    "dependencies": ("nexios.container.depend: Depend", f"{_HTTP}.context: Context"),
    "routing.http": (f"{_HTTP}.router: Router", f"{_HTTP}.routes: Routes Route"),
    "routing.grouping": (f"{_HTTP}.group: Group",),
    "routing.websocket": (f"{_HTTP}.socket_router: WSRouter WebsocketRoutes",),
    "websockets.base": (
        "nexios.adapters.websocket.socket: WebSocket",
        "nexios.adapters.websocket.closing: WebSocketDisconnect",
        "nexios.adapters.websocket.line: WebSocketState",
    ),
    "websockets.channels": (
        "nexios.websockets.channel: Channel",
        "nexios.websockets.legacy: ChannelBox",
    ),
    "websockets.consumers": ("nexios.websockets.legacy: WebSocketConsumer",),
    "websockets.utils": (
        (
            "nexios.websockets.one_socket: ChannelAddStatusEnum ChannelMessageDC "
            "ChannelRemoveStatusEnum GroupSendStatusEnum PayloadTypeEnum"
        ),
    ),
    "converters": (
        (
            "nexios.adapters.routing.converters: Convertor StringConvertor PathConvertor "
            "IntegerConvertor FloatConvertor UUIDConvertor SlugConvertor CONVERTOR_TYPES "
            "register_url_convertor"
        ),
    ),
    "structs": (
        f"{_ASGI}.url: Address URL URLPath",
        "nexios.application.keyring: Secret",
        f"{_ASGI}.multidict: ImmutableMultiDict MultiDict QueryParams FormData",
        f"{_ASGI}.headers: Headers MutableHeaders",
        f"{_ASGI}.state: State RouteParam",
        f"{_HTTP}.uploads: UploadedFile",
    ),
    "types": (
        f"{_ASGI}.types: Scope Message Receive Send ASGIApp",
        f"{_HTTP}.routes: HandlerType=Handler",
        f"{_HTTP}.pipeline: MiddlewareType=Middleware RequestResponseEndpoint=CallNext",
        f"{_HTTP}.handlers: ExceptionHandlerType=Handler",
        f"{_HTTP}.request: Request",
        f"{_HTTP}.builder: Response",
    ),
    "views": (f"{_HTTP}.views: APIView APIHandler",),
    "static": (f"{_HTTP}.static: StaticFiles StaticFilesHandler",),
    "templating": (
        (
            f"{_HTTP}.templates: TemplateConfig TemplateEngine render template_context "
            "TemplateContextMiddleware"
        ),
    ),
    "templating.middleware": (f"{_HTTP}.templates: TemplateContextMiddleware template_context",),
    "templating.utils": (f"{_HTTP}.templates: render",),
    "pagination": (
        (
            f"{_HTTP}.errors: PaginationError InvalidPageError InvalidPageSizeError "
            "InvalidCursorError"
        ),
        (
            f"{_HTTP}.pagination: LinkBuilder BasePaginationStrategy PageNumberPagination "
            "LimitOffsetPagination CursorPagination"
        ),
        (
            f"{_HTTP}.paginator: SyncDataHandler SyncListDataHandler AsyncDataHandler "
            "AsyncListDataHandler SyncPaginator AsyncPaginator PaginatedResponse "
            "AsyncPaginatedResponse"
        ),
    ),
    "events": (
        (
            "nexios.application.emitter: EventPriority EventPhase EventError "
            "ListenerAlreadyRegisteredError MaxListenersExceededError EventCancelledError Event "
            "EventEmitter EventNamespace AsyncEventEmitter"
        ),
    ),
    "decorators": (f"{_HTTP}.legacy: allowed_methods catch_exception",),
    "hooks": (f"{_HTTP}.legacy: before_request after_request",),
    "session.base": ("nexios.middleware.session_stores: BaseSessionInterface",),
    "session.file": ("nexios.middleware.session_stores: FileSessionManager",),
    "session.middleware": ("nexios.middleware.session: SessionMiddleware",),
    "session.signed_cookies": ("nexios.middleware.session_stores: SignedSessionManager",),
    "middleware.utils": ("nexios.middleware.paths: use_for_route only_for",),
    "openapi.config": ("nexios.adapters.openapi.config: OpenAPIConfig",),
    "openapi.models": (
        (
            "nexios.adapters.openapi.models: Contact License Info ServerVariable Server Reference "
            "Discriminator XML ExternalDocumentation Schema Example Encoding MediaType "
            "ConcreteParameter Header Query Path Cookie Parameter RequestBody Link ResponseHeader "
            "Response SecurityBase APIKey HTTPBase HTTPBearer OAuthFlow OAuthFlowImplicit "
            "OAuthFlowPassword OAuthFlowClientCredentials OAuthFlowAuthorizationCode OAuthFlows "
            "OAuth=OAuth2 OpenIdConnect SecurityScheme Tag"
        ),
    ),
    "auth.base": (
        "nexios.auth.users: BaseUser SimpleUser UnauthenticatedUser",
        "nexios.auth.backends.base: AuthenticationBackend",
        "nexios.auth.exceptions: AuthenticationError=AuthenticationFailed",
    ),
    "auth.model": ("nexios.auth.backends.base: AuthResult",),
    "auth.users.base": ("nexios.auth.users: BaseUser",),
    "auth.users.simple": ("nexios.auth.users: SimpleUser UnauthenticatedUser",),
    "auth.decorators": ("nexios.auth.decorator: auth has_permission",),
    "utils.pydantic": (f"{_HTTP}.model_errors: add_pydantic_error_handler",),
    "utils.concurrency": (
        "nexios.application.concurrency: run_in_threadpool run_until_first_complete AsyncLazy",
        "asyncio: AsyncEvent=Event",
        "anyio: create_task_group",
        "anyio.abc: TaskGroup",
    ),
}
_ALIASES: Final[Mapping[str, str]] = {"objects": "structs"}
_PACKAGES: Final = ("session", "utils", "templating", "openapi")

# Names that moved away from an address that still is a module of ours.
_MOVED: Final[Mapping[str, Sequence[str]]] = {
    "nexios": ("nexios.app: get_application=NexiosApp",),
    "nexios.application": ("nexios.app: NexiosApp",),
}

# RFC 9110 and RFC 6455 under the names of 2.11; numbers that HTTPStatus does not know are left.
_STATUS: Final = """
100 CONTINUE 101 SWITCHING_PROTOCOLS 102 PROCESSING 103 EARLY_HINTS 200 OK 201 CREATED
202 ACCEPTED 203 NON_AUTHORITATIVE_INFORMATION 204 NO_CONTENT 205 RESET_CONTENT
206 PARTIAL_CONTENT 207 MULTI_STATUS 208 ALREADY_REPORTED 226 IM_USED 300 MULTIPLE_CHOICES
301 MOVED_PERMANENTLY 302 FOUND 303 SEE_OTHER 304 NOT_MODIFIED 305 USE_PROXY 306 RESERVED
307 TEMPORARY_REDIRECT 308 PERMANENT_REDIRECT 400 BAD_REQUEST 401 UNAUTHORIZED
402 PAYMENT_REQUIRED 403 FORBIDDEN 404 NOT_FOUND 405 METHOD_NOT_ALLOWED 406 NOT_ACCEPTABLE
407 PROXY_AUTHENTICATION_REQUIRED 408 REQUEST_TIMEOUT 409 CONFLICT 410 GONE 411 LENGTH_REQUIRED
412 PRECONDITION_FAILED 413 REQUEST_ENTITY_TOO_LARGE 414 REQUEST_URI_TOO_LONG
415 UNSUPPORTED_MEDIA_TYPE 416 REQUESTED_RANGE_NOT_SATISFIABLE 417 EXPECTATION_FAILED
418 IM_A_TEAPOT 421 MISDIRECTED_REQUEST 422 UNPROCESSABLE_ENTITY 423 LOCKED
424 FAILED_DEPENDENCY 425 TOO_EARLY 426 UPGRADE_REQUIRED 428 PRECONDITION_REQUIRED
429 TOO_MANY_REQUESTS 431 REQUEST_HEADER_FIELDS_TOO_LARGE 451 UNAVAILABLE_FOR_LEGAL_REASONS
500 INTERNAL_SERVER_ERROR 501 NOT_IMPLEMENTED 502 BAD_GATEWAY 503 SERVICE_UNAVAILABLE
504 GATEWAY_TIMEOUT 505 HTTP_VERSION_NOT_SUPPORTED 506 VARIANT_ALSO_NEGOTIATES
507 INSUFFICIENT_STORAGE 508 LOOP_DETECTED 510 NOT_EXTENDED 511 NETWORK_AUTHENTICATION_REQUIRED
1000 NORMAL_CLOSURE 1001 GOING_AWAY 1002 PROTOCOL_ERROR 1003 UNSUPPORTED_DATA
1005 NO_STATUS_RCVD 1006 ABNORMAL_CLOSURE 1007 INVALID_FRAME_PAYLOAD_DATA 1008 POLICY_VIOLATION
1009 MESSAGE_TOO_BIG 1010 MANDATORY_EXT 1011 INTERNAL_ERROR 1012 SERVICE_RESTART
1013 TRY_AGAIN_LATER 1014 BAD_GATEWAY 1015 TLS_HANDSHAKE
"""


def homes(entries: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return old name to (module, name there) of some lines of the table."""
    found = {}
    for entry in entries:
        home, _, names = entry.partition(":")
        for name in names.split():
            old, _, new = name.partition("=")
            found[old] = (home, new or old)
    return found


ADDRESSES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    **{f"nexios.{old}": homes(entries) for old, entries in _TABLE.items()},
    **{f"nexios.{alias}": homes(_TABLE[old]) for alias, old in _ALIASES.items()},
}
"""Old module to old name to (new module, new name)."""

MOVED: Final = {module: homes(entries) for module, entries in _MOVED.items()}
"""Module that still is ours to what moved away from it."""


def status_codes() -> dict[str, int]:
    """Return ``HTTP_404_NOT_FOUND`` and its kin with their numbers."""
    words = _STATUS.split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return {f"{'HTTP' if len(n) == 3 else 'WS'}_{n}_{name}": int(n) for n, name in pairs}


def install() -> None:
    """Let old addresses be imported, once for this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds what is in the table; everything else is left to the other finders.

    Finders and loaders here have no base class: `importlib.abc` loads sixty modules.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if not fullname.startswith("nexios."):
            return None
        name = fullname.removeprefix("nexios.")
        known = fullname in ADDRESSES or name in _PACKAGES or name == "status"
        if not known and fullname not in MOVED:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None:
            if fullname in MOVED and found.loader is not None:
                found.loader = _Moving(found.loader)  # type: ignore[assignment]  # has no base class
            return found  # it is a module of ours again
        package = name in _PACKAGES
        serving: Any = _Serving(fullname)
        return ModuleSpec(fullname, serving, is_package=package) if known else None


class _Serving:
    """Makes the module of an old address."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, _spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = self._name
        module.__doc__ = f"Names of {name} in Nexios 2.11, from their new homes."
        if name == "nexios.status":
            vars(module).update(status_codes())
            _warn(name, "http.HTTPStatus")
            return
        table = ADDRESSES.get(name)
        if table is None:
            return  # a mere package: what is in it warns
        new = dict.fromkeys(home for home, _ in table.values())
        vars(module).update(
            __getattr__=_getter(name, table, warn_at=None),
            __all__=sorted(table),
            __dir__=lambda: sorted(table),
        )
        _warn(name, ", ".join(new))


class _Moving:
    """Executes a module of ours as ever, then lets it answer for what moved away."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        # A face that loads its own names when asked answers for the rest.
        own = vars(module).get("__getattr__")
        vars(module)["__getattr__"] = _getter(
            module.__name__, MOVED[module.__name__], warn_at=3, own=own
        )

    def __getattr__(self, name: str) -> Any:
        # Resources, source lines and the like are the business of the real one.
        return getattr(self._loader, name)


def moved(module: str, name: str) -> object:
    """Return what moved away from a module of ours, with a warning, and leave it there.

    Raises:
        AttributeError: Nothing of that name did.
    """
    # The line that asked stands behind this function and the module's __getattr__.
    return _getter(module, MOVED[module], warn_at=5)(name)


def _getter(
    module: str,
    table: Mapping[str, tuple[str, str]],
    *,
    warn_at: int | None,
    own: Callable[[str], object] | None = None,
) -> Callable[[str], object]:
    def get(name: str) -> object:
        if name not in table:
            if own is not None:
                return own(name)
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, new = table[name]
        found: object = getattr(import_module(home), new)
        if warn_at is not None:
            _warn(f"{module}.{name}", f"{home}.{new}", warn_at)
        setattr(sys.modules[module], name, found)
        return found

    return get


def _warn(old: str, new: str, depth: int = 3) -> None:
    text = f"{old} is an address of Nexios 2.11; import from {new}"
    warnings.warn(text, DeprecationWarning, stacklevel=depth)
