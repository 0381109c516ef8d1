"""Gathers what the modules of an application hold: themselves, and their controllers."""

from collections.abc import Iterable, Iterator

from nexios.adapters.http.compile import CompiledRoutes
from nexios.adapters.http.controller import Controller
from nexios.adapters.http.entries import Registered
from nexios.adapters.http.router import Router
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.websocket.compiled import CompiledSockets
from nexios.adapters.websocket.controller import WebSocketController, controller_route
from nexios.adapters.websocket.endpoint import METHOD
from nexios.auth.access import Entrance
from nexios.container.module import Module
from nexios.container.places import Where


def below(root: Module) -> Iterator[Module]:
    """Yield ``root`` and all it includes, each once."""
    seen: set[Module] = set()
    waiting = [root]
    while waiting:
        module = waiting.pop(0)
        if module not in seen:
            seen.add(module)
            yield module
            waiting += module.included


def add_controllers(router: Router, modules: Iterable[Module]) -> list[SocketRoute]:
    """Give the controllers of modules to ``router``; those for sockets are returned.

    Raises:
        NoController: A module names a class that is neither.
    """
    # A build that was refused may be tried again after a mend, with the same router.
    known = {(one.controller, one.module) for one in router.routes if isinstance(one, Registered)}
    sockets: list[SocketRoute] = []
    for module in modules:
        for controller, where in module.controller_classes:
            if issubclass(controller, WebSocketController):
                sockets.append(controller_route(controller, module))
            elif not issubclass(controller, Controller):
                raise NoController(controller, module, where)
            elif (controller, module) not in known:
                router.add_controller(controller, module=module)
    return sockets


class NoController(Exception):
    """``Module.controllers`` was given a class that is none."""

    def __init__(self, given: type, module: Module, where: Where) -> None:
        self.given = given
        self.module = module
        self.where = where
        super().__init__(given, module, where)

    def __str__(self) -> str:
        return (
            f'{self.given.__name__} in module "{self.module.name}" is no controller   {self.where}'
            f"\n  fix: class {self.given.__name__}(Controller), or {self.module.name}.bind(...)"
        )


def entrances(routes: CompiledRoutes, sockets: CompiledSockets) -> tuple[Entrance, ...]:
    """Return every way into the application with its guards; pages of our own are none.

    A mounted application is one entrance, whatever it serves.
    """
    of_routes = (
        Entrance(
            ("*",) if unit.flat.mount else tuple(unit.flat.route.methods),
            unit.flat.paths[0],
            _place(unit.flat.route.where),
            unit.guards,
        )
        for unit in routes.units
        if not unit.point.internal
    )
    of_sockets = (
        Entrance((METHOD,), one.template.raw, _place(one.where), one.guards)
        for one in sockets.endpoints
    )
    return (*of_routes, *of_sockets)


def _place(written: str) -> Where:
    file, _, line = written.rpartition(":")
    return Where(file, int(line)) if line.isdigit() else Where(written, 0)
