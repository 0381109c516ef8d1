"""One route as it was registered: path, handler, methods and options, nothing compiled."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast

from typing_extensions import TypedDict

from nexios.adapters.http.registration import caller, evaluate_local_names, line_of
from nexios.adapters.routing.template import Template
from nexios.application.spelling import suggestion

Handler = Callable[..., Any]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What a route answers when no methods are said: all but HEAD, which GET brings along."""

PRIORITIES: Final = ("normal", "critical", "sheddable")


class RouteOptions(TypedDict, total=False):
    """What may stand beside the path of a route.

    Attributes:
        responses: Status to what it is answered with: a type, a text, an OpenAPI response, or a
            mapping of one with ``model`` beside it.
        request_content_type: Of the body in the document, where it is not JSON.
        security: What the operation asks for besides its guards; any one of these.
        operation_id: In the document; without it the name of a controller's route, or verb and
            path.
        parameters: For the document: what the handler reads from the request by itself.
        exclude_from_schema: Leave the route out of the document.
        request_model: The JSON body must be valid for it, also where the handler reads the body
            itself.
        threaded: A ``def`` handler runs in a worker thread unless this is False.
        status: Of the answer, unless the handler says another.
        limit_body: Bytes of body this route takes; ``limits={"body": ...}`` in short.
        priority: What is refused first when the process is overloaded (``sheddable``), and what
            last (``critical``); load shedding reads it.
        cancel_on_disconnect: Cancel the handler when its client has gone.
    """

    name: str | None
    summary: str | None
    description: str | None
    responses: Mapping[int, Any] | None
    request_model: Any
    request_content_type: str | None
    middleware: Sequence[Any]
    tags: Sequence[str] | None
    security: Sequence[Mapping[str, Sequence[str]]] | None
    operation_id: str | None
    deprecated: bool
    parameters: Sequence[Any]
    exclude_from_schema: bool
    dependencies: Sequence[Any]
    guards: Sequence[Any]
    status: int | None
    threaded: bool | None
    limit_body: int | None
    limits: Mapping[str, Any] | None
    priority: Literal["normal", "critical", "sheddable"]
    cancel_on_disconnect: bool


_KNOWN: Final = frozenset(RouteOptions.__annotations__)


class NotAHandler(AssertionError, TypeError):
    """What was given as a handler cannot be called."""

    def __init__(self, path: str, handler: object) -> None:
        self.path = path
        self.handler = handler
        super().__init__(path, handler)

    def __str__(self) -> str:
        return (
            f"the handler of {self.path!r} is {self.handler!r}, which cannot be called; "
            "fix: pass a function"
        )


def check_options(options: Mapping[str, Any], what: str) -> RouteOptions:
    """Return the options, all known.

    Raises:
        TypeError: One is unknown; the nearest known one is named.
        ValueError: No answer can have the status.
    """
    for name in options:
        if name not in _KNOWN:
            near = suggestion(name, sorted(_KNOWN))
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(_KNOWN))}"
            raise TypeError(f"{what} has no option {name!r}; {hint}")
    priority = options.get("priority", "normal")
    if priority not in PRIORITIES:
        raise TypeError(f"{what}: priority is one of {', '.join(PRIORITIES)}, not {priority!r}")
    status = options.get("status")
    if status is not None and not 200 <= status <= 599:
        raise ValueError(f"{what}: a status is a number from 200 to 599, not {status}")
    return cast(RouteOptions, dict(options))


class Routes:
    """A route. ``Route`` is the same class.

    Attributes:
        raw_path: The template, with its leading slash.
        methods: Upper case, in the order given.
        where: ``file:line`` of the registration.
        internal: Of the framework: left out of pictures of the wiring.
    """

    __slots__ = ("handler", "internal", "methods", "name", "options", "raw_path", "where")

    def __init__(
        self,
        path: str,
        handler: Handler,
        methods: Iterable[str] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        """Note a route; nothing is read or compiled yet.

        Raises:
            NotAHandler: The handler cannot be called (an AssertionError and a TypeError).
            TypeError: An option is unknown.
        """
        if not callable(handler):
            raise NotAHandler(path, handler)
        known = check_options(options, f"route {path!r}")
        self.raw_path = path or "/"
        self.internal = False
        self.handler = handler
        self.methods = tuple(dict.fromkeys(m.upper() for m in (methods or METHODS)))
        self.name = name or known.get("name")
        self.options = known
        frame = caller()
        self.where = line_of(frame)
        evaluate_local_names(handler, frame)

    @property
    def summary(self) -> str | None:
        """One line for the document."""
        return self.options.get("summary")

    @property
    def description(self) -> str | None:
        """Some lines for the document."""
        return self.options.get("description")

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of this route alone."""
        return tuple(self.options.get("tags") or ())

    @property
    def deprecated(self) -> bool:
        """Whether the document says so."""
        return self.options.get("deprecated", False)

    @property
    def exclude_from_schema(self) -> bool:
        """Whether the document leaves it out."""
        return self.options.get("exclude_from_schema", False)

    @property
    def middleware(self) -> tuple[Any, ...]:
        """Outer to inner."""
        return tuple(self.options.get("middleware", ()))

    @property
    def param_names(self) -> tuple[str, ...]:
        """Names of the values in the path, left to right."""
        return Template.parse(self.raw_path).param_names

    def __repr__(self) -> str:
        return f"Routes({self.raw_path!r}, methods={list(self.methods)!r}, name={self.name!r})"


Route = Routes
