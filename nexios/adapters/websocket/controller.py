"""Controller classes for sockets: one object for each socket, one scope for each message."""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, Union, get_args, get_origin

import pydantic

from nexios.adapters.asgi.annotations import is_model
from nexios.adapters.asgi.controllers import ControllerRefused, is_method, note_keywords
from nexios.adapters.asgi.guards import guards_of, in_order
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.template import Template
from nexios.adapters.websocket.endpoint import (
    CALLER,
    METHOD,
    SOCKET,
    SocketEndpoint,
    SocketOptions,
    caller_of,
    endpoint_of,
)
from nexios.adapters.websocket.inputs import SocketSource
from nexios.adapters.websocket.life import Life, Occasion, Told
from nexios.adapters.websocket.messages import Plain
from nexios.application.limits import Limits
from nexios.container.entry import EntryPoint, Getter
from nexios.container.keys import MISSING, Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Parameter
from nexios.records import dataclass

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__nexios_on__"

_METHODS: Final = ("on_connect", "on_message", "on_disconnect")
_OWN: Final = ("path", "message_timeout_s", "finish_s")
_JOINED: Final = ("guards", "dependencies", "middleware", "tags")
_KEYWORDS: Final = frozenset(SocketOptions.__dataclass_fields__) - {"module"} | set(_OWN)


class WebSocketController:
    """Base of socket controllers.

    The constructor is wired once for each socket. ``on_connect``, every message and
    ``on_disconnect`` have a REQUEST scope each, closed before a reply leaves. Messages come to
    the methods marked by ``@on(Model)``, or to a single ``on_message``.
    """

    __nexios_layer__: ClassVar[str] = "websocket"
    __nexios_keywords__: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Join the class keywords with those of the bases.

        Raises:
            TypeError: A keyword is unknown; the nearest known one is named.
        """
        super().__init_subclass__()
        note_keywords(cls, keywords, known=_KEYWORDS, joined=_JOINED)


class SocketControllerError(ControllerRefused):
    """A socket controller that cannot serve."""


def on(model: "type[pydantic.BaseModel]") -> Callable[[F], F]:
    """Mark the method that takes messages of this model; it stays a plain method.

    With several of them, each model names itself by a field of one ``Literal``.
    """

    def mark(method: F) -> F:
        setattr(method, MARK, model)
        return method

    return mark


def is_controller(route: SocketRoute) -> bool:
    """Return whether a noted route is a controller class."""
    return isinstance(route.handler, type) and issubclass(route.handler, WebSocketController)


def controller_route(
    controller: type[WebSocketController], module: Module | None = None
) -> SocketRoute:
    """Return the route of a controller, for the app to hand to its gateway.

    Args:
        module: Whose keys it sees; None for the app's root module.
    """
    options = {
        name: value for name, value in controller.__nexios_keywords__.items() if name != "path"
    }
    where = _place(controller)
    path = controller.__nexios_keywords__.get("path", "")
    return SocketRoute(path, controller, {**options, "module": module}, where)


def compile_controller(route: SocketRoute, limits: Limits) -> SocketEndpoint:
    """Describe a controller as an endpoint.

    Raises:
        SocketControllerError: Its methods cannot share a socket.
        UnknownSocketOption: An option does not exist.
    """
    controller: Any = route.handler
    _check_path(controller, route.path)
    given = _joined_options(controller.__nexios_keywords__, route.options)
    own = {name: given.pop(name) for name in _OWN if name in given}
    options = SocketOptions.read(given, route.where)
    template = Template.parse(route.path, where=route.where)
    inner_limits = options.limits_over(limits, route.where)
    label = f"{METHOD} {template.raw}"
    inner: list[EntryPoint] = []

    def entry(name: str, told: Told) -> EntryPoint:
        method = getattr(controller, name)
        reads = _OccasionSource(method, template.param_names, told)
        life.inputs.append(reads.inputs)
        point = EntryPoint(
            label=f"{label} {name}",
            target=method,
            owner=controller,
            module=options.module,
            scope=Scope.REQUEST,
            values=(SOCKET, Key(ScopeContext), Key(Occasion)),
            reads=reads,
            supplies={CALLER: caller_of},
        )
        inner.append(point)
        return point

    life = Life(
        message_s=own.get("message_timeout_s", inner_limits.message_s),
        finish_s=own.get("finish_s", inner_limits.message_finish_s),
    )
    _check_methods(controller)
    _check_names(controller, template)
    if hasattr(controller, "on_connect"):
        life.connect = entry("on_connect", Told())
    if hasattr(controller, "on_disconnect"):
        life.disconnect = entry("on_disconnect", Told(ending=True))
    methods = _add_messages(controller, life, entry)
    point = EntryPoint(
        label=label,
        target=life.target(),
        owner=controller,
        module=options.module,
        scope=Scope.CONNECTION,
        values=(SOCKET,),
        reads=SocketSource(controller, template.param_names, method=True),
        before=(
            *in_order((*options.guards, *guards_of(controller))),
            *options.dependencies,
        ),
        supplies={CALLER: caller_of},
    )
    return endpoint_of(route, template, options, limits, point, inner, methods)


def _joined_options(keywords: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a route over those of its class; checks and tags of both hold."""
    given = {name: value for name, value in keywords.items() if name != "path"} | dict(options)
    for name in _JOINED:
        outer, own = tuple(options.get(name, ())), tuple(keywords.get(name, ()))
        if outer[len(outer) - len(own) :] != own:  # else they are there already
            given[name] = (*outer, *own)
    return given


def _check_path(controller: type, path: str) -> None:
    if not path:
        raise SocketControllerError(
            controller,
            "path",
            "is not given, so no client could ask for it",
            f'class {controller.__name__}(WebSocketController, path="/...")',
        )


def _check_methods(controller: type) -> None:
    """Refuse class and static methods that are meant to be called.

    Raises:
        SocketControllerError: The first of them.
    """
    for name in dir(controller):
        member = inspect.getattr_static(controller, name)
        inner = getattr(member, "__func__", member)
        meant = name in _METHODS or MARK in getattr(inner, "__dict__", {})
        if meant and not is_method(member):
            raise SocketControllerError(
                controller,
                name,
                "is called on the object of one socket, so its first parameter is self",
                f"def {name}(self, ...), without @classmethod and @staticmethod",
            )


def _check_names(controller: type, template: Template) -> None:
    """Refuse names that would silently mean something else, or nothing.

    Raises:
        SocketControllerError: The first of them.
    """
    if "message" in template.param_names:
        raise SocketControllerError(
            controller,
            "path",
            "has a value named 'message', which is what clients send",
            f"give the value in {template.raw} another name",
        )
    for name, member in inspect.getmembers(controller, inspect.isfunction):
        near = difflib.get_close_matches(name, _METHODS, 1, cutoff=0.85)
        if near and name not in _METHODS and MARK not in member.__dict__:
            raise SocketControllerError(
                controller, name, "is never called", f"write {near[0]!r}, or another name"
            )
        hidden = any(
            MARK in getattr(base.__dict__.get(name), "__dict__", {}) for base in controller.__mro__
        )
        if hidden and MARK not in member.__dict__:
            raise SocketControllerError(
                controller, name, "hides an @on method and takes no messages", "put @on above it"
            )


def _add_messages(
    controller: type, life: Life, entry: Callable[[str, Told], EntryPoint]
) -> dict[str, tuple[Any, Callable[..., Any]]]:
    """Give the messages to their methods; return name to what each takes, and the method."""
    marked = {
        name: member.__dict__[MARK]
        for name, member in inspect.getmembers(controller, inspect.isfunction)
        if MARK in member.__dict__
    }
    single = getattr(controller, "on_message", None)
    if single is not None and marked:
        raise SocketControllerError(
            controller,
            "on_message",
            f"stands beside @on methods ({', '.join(marked)})",
            "keep one of the two ways",
        )
    if single is not None:
        hint = _hint_of_message(controller, single)
        life.takes = Any if hint is MISSING else Plain.of(hint) or hint
        life.methods[None] = entry("on_message", Told(model=life.takes))
        return {"message": (hint, single)}
    if marked:
        for name, model in marked.items():
            if model in life.methods:
                raise SocketControllerError(
                    controller, name, f"{model.__name__} is taken twice", "keep one of them"
                )
            life.methods[model] = entry(name, Told(model=model))
        life.takes = _told_apart(controller, marked)
    else:
        life.takes = None
    return {name: (model, getattr(controller, name)) for name, model in marked.items()}


def _hint_of_message(controller: type, method: Callable[..., Any]) -> Any:
    """Return what `message` of `on_message` is annotated with; MISSING means any JSON."""
    named = inspect.signature(method, eval_str=True).parameters.get("message")
    if named is None:
        raise SocketControllerError(
            controller, "on_message", "has no parameter `message`", "on_message(self, message: T)"
        )
    hint = named.annotation
    return MISSING if hint is inspect.Parameter.empty else hint


def _told_apart(controller: type, marked: "Mapping[str, type[pydantic.BaseModel]]") -> Any:
    """Return the union of the models, told apart by their tag.

    Raises:
        SocketControllerError: A tag is missing, or two are the same.
    """
    models = list(marked.values())
    if len(models) == 1:
        return models[0]
    tags = {name: _tags(model) for name, model in marked.items()}
    shared = set.intersection(*(set(found) for found in tags.values()))
    if not shared:
        without = next((name for name, found in tags.items() if not found), next(iter(tags)))
        raise SocketControllerError(
            controller,
            without,
            f"{marked[without].__name__} has no tag that the other models have too",
            f'add to {marked[without].__name__}: type: Literal["{without}"] = "{without}"',
        )
    tag = min(shared)
    seen: dict[object, str] = {}
    for name in marked:
        for value in tags[name][tag]:
            if value in seen:
                raise SocketControllerError(
                    controller,
                    name,
                    f"its tag {tag}={value!r} is that of {seen[value]} too",
                    "give one of the models another tag",
                )
            seen[value] = name
    return Annotated[Union[tuple(models)], pydantic.Field(discriminator=tag)]  # noqa: UP007


def _tags(model: "type[pydantic.BaseModel]") -> dict[str, Sequence[object]]:
    return {
        name: get_args(info.annotation)
        for name, info in model.model_fields.items()
        if get_origin(info.annotation) is Literal
    }


def _place(controller: type) -> str:
    try:
        file = inspect.getsourcefile(controller) or "?"
    except TypeError:  # written at a prompt, or run from a text
        return "?:0"
    try:
        return f"{file}:{inspect.getsourcelines(controller)[1]}"
    except OSError:
        return f"{file}:0"


@dataclass(frozen=True, slots=True)
class _Named:
    """Reads one attribute of the occasion."""

    name: str

    def __call__(self, _socket: object, _scope: object, occasion: Occasion) -> object:
        return getattr(occasion, self.name)


class _OccasionSource(SocketSource):
    """Knows what a single method is called for: a message, or the end."""

    def __init__(self, target: Callable[..., Any], path: Collection[str], told: Told) -> None:
        super().__init__(target, path, method=True)
        self._told = told

    def _own(
        self, asker: Callable[..., object], parameter: Parameter, inner: Any
    ) -> Getter | None:
        told = self._told
        if asker is not self.target:
            return None
        if told.ending and parameter.name in ("code", "reason"):
            return Getter(_Named(parameter.name))
        if parameter.name in self._path:
            return None
        # A type of its own, as @on models are, says it whatever the name; text does not.
        model = told.model if isinstance(told.model, type) and inner is told.model else None
        of_its_type = model is not None and is_model(model)
        if told.model is not None and (parameter.name == "message" or of_its_type):
            return Getter(_Named("message"))
        return None
