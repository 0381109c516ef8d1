"""``APIView``: a class whose methods are named after the HTTP methods they answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from typing_extensions import Unpack

from nexios.adapters.asgi.controllers import short_name
from nexios.adapters.http.around import Call, around
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.adapters.http.routes import RouteOptions, Routes

_VERBS: Final = ("get", "post", "put", "patch", "delete", "head", "options")


class NoMethods(TypeError):
    """A view has no method that answers, or not the one a route is to have."""

    def __init__(self, view: type, method: str = "") -> None:
        self.view = view
        self.method = method
        super().__init__(view, method)

    def __str__(self) -> str:
        name = self.method.lower() or "get"
        return (
            f"{self.view.__qualname__} has no method {name!r}, so it could not answer"
            f"\n  fix: async def {name}(self, request, response): ..."
        )


class APIView:
    """Base of class-based views: ``app.add_route(UserView.as_route("/users/{id:int}"))``.

    Constructor parameters are wired by their types, as in a controller; there is one instance
    for each request. A method takes what a handler takes: the request and the builder first,
    path values by name, dependencies, bodies. A method the class lacks is 405.

    Attributes:
        middleware: Around every method, outer to inner.
        error_handlers: Error class or status to ``(request, response, error)``.
        request: Of this request; set before the method runs.
        res: The builder of this request.
    """

    __nexios_layer__: ClassVar[str] = "http"

    middleware: ClassVar[Sequence[Any]] = ()
    error_handlers: ClassVar[Mapping[Any, Callable[..., Any]]] = {}
    # With values, or the container would take the names for services.
    request: Request = None  # type: ignore[assignment]  # nothing reads it before it is set
    res: Response = None  # type: ignore[assignment]  # ibid.

    async def _serve(self, request: Request, response: Response, call: Call) -> Any:
        self.request = request
        self.res = response
        return await call()

    @classmethod
    def as_route(
        cls,
        path: str,
        methods: Iterable[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> "ViewRoute":
        """Return a route for the app or a router.

        Args:
            path: As of any route.
            methods: Of those the class answers only these, in any case.

        Raises:
            NoMethods: The class has no method that answers, or not the one asked for.
            TypeError: An option is unknown.
        """
        return ViewRoute(path, cls, methods, **options)


APIHandler = APIView


class ViewRoute(Routes):
    """The route of a view: one for each of its methods, all of one name.

    Attributes:
        view: The class.
        parts: The routes it stands for.
    """

    __slots__ = ("parts", "view")

    def __init__(
        self,
        path: str,
        view: type[APIView],
        methods: Iterable[str] | None = None,
        **options: Any,
    ) -> None:
        """Note the routes of ``view``; nothing is compiled yet.

        Raises:
            NoMethods: As of `APIView.as_route`.
            TypeError: An option is unknown.
        """
        found = _methods(view, methods)
        options.setdefault("name", short_name(view, "View"))
        super().__init__(path, view, [verb.upper() for verb in found], **options)
        self.view = view
        self.parts = tuple(self._part(verb, function) for verb, function in found.items())

    def _part(self, verb: str, function: Callable[..., Any]) -> Routes:
        serving = around(function, APIView._serve, method=True)  # noqa: SLF001  # our own class
        part = Routes(self.raw_path, serving, [verb.upper()], **self.options)
        part.name = self.name
        part.where = self.where
        return part


def _methods(view: type[APIView], asked: Iterable[str] | None) -> Mapping[str, Callable[..., Any]]:
    answering = [verb for verb in _VERBS if callable(getattr(view, verb, None))]
    wanted = answering if asked is None else [method.lower() for method in asked]
    for verb in wanted:
        if verb not in answering:
            raise NoMethods(view, verb)
    if not wanted:
        raise NoMethods(view)
    return {verb: getattr(view, verb) for verb in wanted}
