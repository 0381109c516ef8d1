"""The addresses of the documentation: the documents, their pages, and what those load."""

import hashlib
import pkgutil
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any, Final, Self
from urllib.parse import urlsplit

from anyio import to_thread

from nexios.adapters.asgi.url import quote_path
from nexios.adapters.http.builder import Response
from nexios.adapters.http.entries import Entry, Holder
from nexios.adapters.http.flatten import flatten
from nexios.adapters.http.request import Request
from nexios.adapters.http.response import BaseResponse, HTMLResponse
from nexios.adapters.http.routes import Routes
from nexios.adapters.openapi.document import Documentation, Kind
from nexios.application.sections.answers import OpenApiSettings
from nexios.records import dataclass

# In the order they are loaded.
_ASSETS: Final = (
    "icon.svg",
    "explorer.css",
    "elements.js",
    "schemas.js",
    "sending.js",
    "operations.js",
    "channels.js",
    "explorer.js",
)
_MEDIA: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_LOADS: Final = {
    "css": '<link rel="stylesheet" href="{at}">',
    "js": '<script src="{at}" defer></script>',
    "svg": '<link rel="icon" href="{at}">',
}
_HOME: Final = "nexios.adapters.openapi"
_A_YEAR: Final = "public, max-age=31536000, immutable"
_PAGE: Final = """\
<!doctype html>
<html lang="en" data-document="{document}" data-mode="{mode}" data-other="{other}"
 data-channels="{channels}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
{loads}
</head>
<body>
<noscript>This page needs JavaScript. The document itself: <a href="{document}">{document}</a>
</noscript>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the explorer, at an address that changes with its content."""

    name: str
    content: bytes

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a file of the package."""
        # Not importlib.resources: it loads zipfile and more, 7 ms of every start.
        content = pkgutil.get_data(_HOME, f"assets/{name}")
        if content is None:
            raise FileNotFoundError(f"{_HOME}: assets/{name}")
        return cls(name, content)

    @property
    def ending(self) -> str:
        """What kind of file it is."""
        return self.name.rpartition(".")[2]

    @property
    def address(self) -> str:
        """The name with a digest of the content in it."""
        digest = hashlib.blake2b(self.content, digest_size=8).hexdigest()
        return f"{self.name.removesuffix('.' + self.ending)}-{digest}.{self.ending}"


class Documented:
    """A router with the addresses of the documentation behind its own.

    An application's own route at one of them stands in its place. Guards, dependencies and
    middleware of the application hold for them as for everything else.
    """

    def __init__(self, router: Holder, pages: Sequence[Routes]) -> None:
        self._router = router
        self._pages = tuple(pages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._router, name)

    @property
    def routes(self) -> Sequence[Entry]:
        """The router's own entries, then ours at addresses that it does not answer."""
        taken = {
            path
            for flat in flatten(self._router).routes
            if "GET" in flat.route.methods
            for path in flat.paths
        }
        free = (page for page in self._pages if page.raw_path not in taken)
        return [*self._router.routes, *free]


def pages_of(documentation: Documentation, settings: OpenApiSettings, title: str) -> list[Routes]:
    """Return the routes of the documentation; none where it is switched off."""
    if not settings.enabled or settings.openapi_url is None:
        return []
    made = [_route(settings.openapi_url, _document_at(documentation, "openapi"), "openapi")]
    aside = settings.asyncapi_url
    if aside is not None:
        made.append(_route(aside, _document_at(documentation, "asyncapi"), "asyncapi"))
    shown = {"try": settings.swagger_url, "read": settings.redoc_url}
    urls = [url for url in shown.values() if url is not None]
    if not urls:
        return made
    folder = f"{urls[0]}/assets"
    assets = {f"{folder}/{asset.address}": asset for asset in map(Asset.read, _ASSETS)}
    made += [_route(at, _asset_at(asset), f"docs_{asset.name}") for at, asset in assets.items()]
    channels = None if aside is None else _beside(aside)
    for mode, url in shown.items():
        if url is not None:
            other = next((one for one in urls if one != url), None)
            links = _Links(settings.openapi_url, other, channels, tuple(assets))
            made.append(
                _route(url, _page_at(url, links, mode, title, documentation), f"docs_{mode}")
            )
    if aside is not None and channels is not None:
        links = _Links(aside, urls[0], None, tuple(assets))
        page = _page_at(channels, links, "channels", title, documentation)
        made.append(_route(channels, page, "docs_channels"))
    return made


@dataclass(frozen=True, slots=True)
class _Links:
    """Where a page leads to.

    Attributes:
        document: What it shows.
        other: Another page.
        channels: The page of the other document.
        assets: What it loads.
    """

    document: str
    other: str | None
    channels: str | None
    assets: tuple[str, ...]


def _beside(document: str) -> str:
    """Return where the page of a document is: ``/asyncapi`` of ``/asyncapi.json``."""
    plain = document.removesuffix(".json")
    return plain if plain != document else f"{document}/page"


def _route(path: str, handler: Any, name: str) -> Routes:
    route = Routes(path, handler, ("GET",), name, exclude_from_schema=True)
    route.internal = True
    return route


def _page(url: str, links: _Links, mode: str, title: str) -> str:
    # Relative addresses hold wherever a proxy has put the application.
    def to(target: str | None) -> str:
        if target is None:
            return ""
        return escape(quote_path(posixpath.relpath(target, posixpath.dirname(url))))

    loads = (_LOADS[at.rpartition(".")[2]].format(at=to(at)) for at in links.assets)
    return _PAGE.format(
        document=to(links.document),
        mode=mode,
        other=to(links.other),
        channels=to(links.channels),
        title=escape(title),
        loads="\n".join(loads),
    )


def _document_at(documentation: Documentation, kind: Kind) -> Any:
    async def document(request: Request, response: Response) -> Response:
        # The first time it is drawn, a millisecond a route: not in the way of other requests.
        root_path = quote_path(request.scope.get("root_path", "").rstrip("/"))
        body, tag = await to_thread.run_sync(documentation.encoded, root_path, kind)
        final = BaseResponse(body, content_type="application/json")
        response.make_response(final).set_header("cache-control", "no-cache")
        return response.etag(tag)

    return document


def _asset_at(asset: Asset) -> Any:
    headers = {"cache-control": _A_YEAR, "x-content-type-options": "nosniff"}
    final = BaseResponse(asset.content, 200, headers, _MEDIA[asset.ending])

    async def file() -> BaseResponse:
        return final

    return file


def _page_at(url: str, links: _Links, mode: str, title: str, documentation: Documentation) -> Any:
    whole = _page(url, links, mode, title)
    alone = _page(url, replace(links, channels=None), mode, title)

    async def docs() -> BaseResponse:
        # Servers may be added until the first request.
        headers = {
            "cache-control": "no-cache",
            "content-security-policy": _policy(documentation.config.servers),
        }
        return HTMLResponse(whole if documentation.has_channels else alone, headers=headers)

    return docs


def _policy(servers: Sequence[dict[str, Any]]) -> str:
    """Return what the page may load: itself, and answers of the servers the document names."""
    split = [urlsplit(str(server.get("url", ""))) for server in servers]
    origins = {f"{one.scheme}://{one.netloc}" for one in split if one.scheme and one.netloc}
    safe = sorted(one for one in origins if not set(one) & set(" ;,{}'\""))
    allowed = " ".join(["'self'", *safe])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
