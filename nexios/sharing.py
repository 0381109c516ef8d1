"""What every module of an application may ask for without including anything."""

from nexios.adapters.http.background import Tasks
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.clock import SystemClock
from nexios.application.keyring import Keyring
from nexios.application.limits import Limits
from nexios.application.policies import Policies
from nexios.application.sections.callers import AuthSettings
from nexios.application.security_events import SecurityEvents
from nexios.application.subscribers import Subscribers
from nexios.config import MakeConfig
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext
from nexios.domain.clock import Clock
from nexios.subscriptions import Subscriptions
from nexios.watching import Watching


def shared_module(config: MakeConfig, subscriptions: Subscriptions, watching: Watching) -> Module:
    """Return the module whose exports every other one sees."""
    shared = Module("nexios")
    settings = type(config)
    shared.bind(settings).value(config)
    # A class of the user's own is asked for as itself, and still is the configuration.
    bases = [base for base in settings.__mro__[1:] if issubclass(base, MakeConfig)]
    for base in bases:
        shared.bind(base).alias(settings)
    shared.bind(Limits).value(config.limits)
    shared.bind(AuthSettings).value(config.auth)
    shared.bind(Clock, scope=Scope.SINGLETON, default=True).to(SystemClock)
    shared.bind(Request).given()
    shared.bind(Response).given()
    shared.bind(Caller).given()
    shared.bind(Tasks).given()
    shared.bind(WebSocket, scope=Scope.CONNECTION).given()

    @shared.provides()
    def subscribers(scope: ScopeContext) -> Subscribers:
        return subscriptions.of(scope)

    @shared.provides()
    def policies(scope: ScopeContext, caller: Caller) -> Policies:
        return Policies(caller, scope.get_now(SecurityEvents | None))

    keys: list[object] = [Limits, Clock, Request, Response, Tasks, Caller, WebSocket]
    keys += [AuthSettings, Policies, settings, *bases]
    if config.keyring is not None:
        shared.bind(Keyring).value(config.keyring)
        keys.append(Keyring)
    return shared.export(*keys, *watching.bind(shared), Subscribers)
