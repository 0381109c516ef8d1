"""Nexios: an async, domain-driven application framework with an IoC container.

Names are handed on lazily, so that ``import nexios.domain`` stays free of everything else;
``__init__.pyi`` tells type checkers the same.
"""

from importlib import import_module

from nexios.compat import install, moved

install()

_HOMES = {
    "nexios.adapters.asgi.headers": "InvalidHeader",
    "nexios.adapters.asgi.multidict": "FormData",
    "nexios.adapters.asgi.params": "Body Cookie File Form Header Path Query",
    "nexios.adapters.asgi.url": "URLPath",
    "nexios.adapters.http.background": "Tasks",
    "nexios.adapters.http.builder": "Response",
    "nexios.adapters.http.context": "Context",
    "nexios.adapters.http.controller": "Controller delete get head options patch post put route",
    "nexios.adapters.http.errors": "HTTPException NotFoundException",
    "nexios.adapters.http.group": "Group",
    "nexios.adapters.http.files": "FileResponse",
    "nexios.adapters.http.request": "Request",
    "nexios.adapters.http.response": "Accepted Created HTMLResponse JSONResponse NoContent "
    "PlainTextResponse ProblemResponse RedirectResponse",
    "nexios.adapters.http.router": "Router",
    "nexios.adapters.http.uploads": "UploadedFile",
    "nexios.adapters.http.views": "APIView",
    "nexios.adapters.http.sse": "EventStream ServerSentEvent",
    "nexios.adapters.http.static": "StaticFiles",
    "nexios.adapters.http.stream": "StreamingResponse",
    "nexios.adapters.websocket.closing": "WebSocketDisconnect WebSocketException",
    "nexios.adapters.websocket.controller": "WebSocketController on",
    "nexios.adapters.websocket.socket": "WebSocket",
    "nexios.app": "NexiosApp",
    "nexios.application.caller": "Caller",
    "nexios.config": "ConfigError ConfigWarning MakeConfig get_config set_config",
    "nexios.container.binding": "profile",
    "nexios.container.container": "Container",
    "nexios.container.depend": "Depend Lazy Provider Scopes",
    "nexios.container.keys": "Key",
    "nexios.container.module": "Module",
    "nexios.container.scope": "Scope ScopeContext",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # read by people; checkers read the stub


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        return moved("nexios", name)
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
