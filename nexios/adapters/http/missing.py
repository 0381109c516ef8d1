"""What a path without a route is answered with, where the settings want more than a problem."""

from collections.abc import Callable
from html import escape
from typing import Final

from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.response import BaseResponse, HTMLResponse, PlainTextResponse
from nexios.application.sections import NotFoundSettings

Page = Callable[[Exchange], BaseResponse | None]
"""Returns None to those who get a problem."""

_TITLE: Final = "Not Found"
_HTML: Final = (
    "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1>{1}</body></html>"
)


def page_of(settings: NotFoundSettings) -> Page | None:
    """Return what answers a miss, or None when everybody gets a problem."""
    message = settings.custom_message
    below = "" if message is None else f"<p>{escape(message)}</p>"
    html = _HTML.format(_TITLE, below)
    text = message or _TITLE

    def page(exchange: Exchange) -> BaseResponse | None:
        if settings.use_html:
            exchange.response.add_vary("Accept")
            if exchange.request.accepts_html:
                return HTMLResponse(html, 404)
        return None if settings.return_json else PlainTextResponse(text, 404)

    return page if settings.use_html or not settings.return_json else None
