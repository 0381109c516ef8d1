"""What misses and failures are answered with, where the settings want more than a problem."""

from collections.abc import Callable
from html import escape
from typing import Any, Final

from nexios.adapters.asgi.headers import MutableHeaders
from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.accept import likes_html
from nexios.adapters.http.debug import frames_of
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.problems import internal_error
from nexios.adapters.http.response import (
    BaseResponse,
    HTMLResponse,
    PlainTextResponse,
    ProblemResponse,
)
from nexios.application.sections.answers import NotFoundSettings

Page = Callable[[Exchange], BaseResponse | None]
"""Returns None to those who get a problem."""

_TITLE: Final = "Not Found"
_NOTED: Final = "Something went wrong here. It was noted under"
_HTML: Final = (
    "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1>{1}</body></html>"
)


def page_of(settings: NotFoundSettings, *, debug: bool = False) -> Page | None:
    """Return what answers a miss, or None when everybody gets a problem.

    Args:
        debug: Browsers get a page whatever the settings say; whoever asks for JSON does not.
    """
    message = settings.custom_message
    below = "" if message is None else f"<p>{escape(message)}</p>"
    html = _HTML.format(_TITLE, below)
    text = message or _TITLE

    def page(exchange: Exchange) -> BaseResponse | None:
        if settings.use_html or debug:
            exchange.response.add_vary("Accept")
            if likes_html(exchange.scope):
                return HTMLResponse(html, 404)
        return None if settings.return_json else PlainTextResponse(text, 404)

    return page if settings.use_html or debug or not settings.return_json else None


def with_frames(problem: ProblemResponse, error: BaseException) -> BaseResponse:
    """Return the 404 somebody raised, with the way to the line that did; for developers."""
    members: dict[str, Any] = {**problem.problem, "frames": frames_of(error)}
    fields = MutableHeaders(problem.headers.raw)
    return ProblemResponse(members.pop("status"), **members).with_head(404, fields)


def internal_answer(scope: Scope, error_id: str, settings: NotFoundSettings) -> BaseResponse:
    """Return the 500 of an app that shows nothing of itself: a problem, or a page with its id.

    Args:
        settings: ``use_html`` lets those have a page who like one better than JSON.
    """
    answer: BaseResponse = internal_error(scope, error_id)
    if settings.use_html:
        if likes_html(scope):
            below = f"<p>{escape(_NOTED)} {escape(error_id)}</p>"
            answer = HTMLResponse(_HTML.format("Internal Server Error", below), 500)
        answer.add_vary("Accept")
    return answer
