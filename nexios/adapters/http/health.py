"""Answers ``/health/live``, ``/health/ready`` and ``/health/startup``, before everything else."""

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.lag import LoopWatch
from nexios.adapters.asgi.types import Scope
from nexios.adapters.asgi.url import path_below
from nexios.adapters.http.response import BaseResponse, JSONResponse
from nexios.application.health import CheckState, Health, HealthBoard, Report
from nexios.application.scrub import scrubbed

FOLDER: Final = "/health/"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
STARTUP: Final = "/health/startup"
PATHS: Final = frozenset({LIVE, READY, STARTUP})

_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
# A client that came through somebody says so in one of these.
_FORWARDED: Final = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


class HealthDoor:
    """What probes of an orchestrator or a load balancer are answered with.

    It stands outside of middleware, host check and rate limits, so that a probe tells how the
    application is, not whether the probe may ask. A route of the application's own at one of
    the three paths is served instead.
    """

    __slots__ = ("_answers", "_board", "_details", "_watch")

    def __init__(self, board: HealthBoard, watch: LoopWatch, *, details: bool = False) -> None:
        """Answer from these two.

        Args:
            board: Knows the checks and the phase.
            watch: Knows whether the event loop stood still.
            details: Tell everybody of the single checks, not only who is on this machine.
        """
        self._details = details
        self._board = board
        self._watch = watch
        self._answers: dict[str, Callable[[Scope], Awaitable[JSONResponse]]] = {}
        self.open_beside(())

    def open_beside(self, taken: Iterable[str]) -> None:
        """Leave these paths to the application's own routes."""
        ours = {LIVE: self._live, READY: self._ready, STARTUP: self._startup}
        own = frozenset(taken)
        self._answers = {path: answer for path, answer in ours.items() if path not in own}

    def serves(self, scope: Scope) -> bool:
        """Return whether an HTTP request is one of a probe."""
        # Asked of everything that no route answers at once.
        return (
            FOLDER in scope["path"]
            and path_below(scope["path"], scope.get("root_path", "")) in self._answers
        )

    async def answer(self, scope: Scope) -> BaseResponse:
        """Answer a request that `serves` is true of."""
        path = path_below(scope["path"], scope.get("root_path", ""))
        if scope["method"] in ("GET", "HEAD"):
            return await self._answers[path](scope)
        return JSONResponse(None, 405, {"allow": "GET, HEAD", **_HEADERS})

    async def _live(self, _scope: Scope) -> JSONResponse:
        health = Health.DOWN if self._watch.blocked else Health.UP
        return _answer({"status": health.value}, health.ready)

    async def _startup(self, _scope: Scope) -> JSONResponse:
        health = Health.STARTING if self._board.starting else Health.UP
        return _answer({"status": health.value}, health.ready)

    async def _ready(self, scope: Scope) -> JSONResponse:
        report = await self._board.report()
        body: dict[str, Any] = {"status": report.health.value}
        if self._details or is_operator(scope):
            body["checks"] = checks_shown(report)
        return _answer(body, report.health.ready)


def checks_shown(report: Report) -> dict[str, dict[str, Any]]:
    """Return the checks of a report as JSON has them, for operators."""
    return {name: _shown(state) for name, state in sorted(report.checks.items())}


def is_operator(scope: Scope) -> bool:
    """Return whether a request comes from this machine itself, and through nobody else.

    A proxy on this machine has a loopback address too; it is told by what it adds.
    """
    if any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    peer = Connection(scope).client
    try:
        return peer is not None and ip_address(peer.host).is_loopback
    except ValueError:
        return False  # a name, as test clients have one


def _shown(state: CheckState) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "status": state.health.value,
        "latency_ms": round(state.latency_s * 1000, 1),
        "since": state.since.isoformat(timespec="seconds"),
    }
    if state.says:
        shown["error"] = scrubbed(state.says)
    return shown


def _answer(body: dict[str, Any], ok: bool) -> JSONResponse:
    return JSONResponse(body, 200 if ok else 503, _HEADERS)
