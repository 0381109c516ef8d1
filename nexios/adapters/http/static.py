"""Folders of files below a prefix: ``app.register(StaticFiles("assets"), "/static")``."""

import os
import stat
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from anyio import to_thread

from nexios.adapters.asgi.headers import Headers
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.asgi.url import path_below, quote_path, quote_query
from nexios.adapters.http.errors import HttpError, MethodNotAllowed, NotFoundException
from nexios.adapters.http.files import FileResponse, type_of
from nexios.adapters.http.head import accepts_encoding
from nexios.adapters.http.problems import problem_for
from nexios.adapters.http.request import Request
from nexios.adapters.http.response import BaseResponse, RedirectResponse
from nexios.records import dataclass

Folder = str | os.PathLike[str]

# In the order of preference; the name of the coding and what its files end with.
_PACKED: Final = (("br", ".br"), ("gzip", ".gz"))
_METHODS: Final = "GET, HEAD, OPTIONS"


class NoDirectory(Exception):
    """A folder of static files does not exist; refused at start."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        super().__init__(directory)

    def __str__(self) -> str:
        return (
            f"StaticFiles: there is no directory {self.directory!r}"
            "\n  fix: create it, or give the path from the file that registers it: "
            "Path(__file__).parent / ..."
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A file to send, or a folder whose address lacks its last slash."""

    path: str
    name: str
    encoding: str | None = None
    varies: bool = False
    folder: bool = False
    status: int = 200


class StaticFiles:
    """An ASGI application that serves files for GET and HEAD, and nothing beside its folders.

    A path with an empty, ``.`` or ``..`` part, a backslash, a colon (where it names drives), a
    NUL or a hidden part is 404, and so is a link that leads out of its folder.
    """

    def __init__(
        self,
        directory: Folder | None = None,
        directories: Iterable[Folder] | None = None,
        *,
        html: bool = False,
        cache_control: str | None = None,
        follow_symlinks: bool = False,
        hidden: bool = False,
    ) -> None:
        """Serve from one folder, or from the first of several that has the file.

        Args:
            html: Serve ``index.html`` for folders, and ``404.html`` for what is missing.
            cache_control: Of every file.
            follow_symlinks: Serve links that lead out of the folder.
            hidden: Serve what begins with a dot.

        Raises:
            NoDirectory: One does not exist.
            TypeError: There is none.
        """
        given = [*([] if directory is None else [directory]), *(directories or ())]
        if not given:
            raise TypeError("StaticFiles needs a directory; fix: StaticFiles('assets')")
        for one in given:
            if not Path(one).is_dir():
                raise NoDirectory(os.fspath(one))
        self._roots = tuple(os.path.realpath(one) for one in given)
        self._html = html
        self._headers = {} if cache_control is None else {"cache-control": cache_control}
        self._follow = follow_symlinks
        self._hidden = hidden

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP scope.

        Raises:
            HttpError: There is no such file, or another method; for the application around it.
                Without a Nexios application around it is answered here.
        """
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before accept: refused
            return
        if scope["type"] != "http":
            raise TypeError(f"StaticFiles serves http, not {scope['type']}")
        try:
            path = path_below(scope["path"], scope.get("root_path", ""))
            answer = await self.answer(scope, path)
            await answer(scope, receive, send)
        except HttpError as error:
            problem = problem_for(error, scope)
            if problem is None or "global_state" in scope:
                raise
            await problem(scope, receive, send)

    async def answer(self, scope: Scope, path: str) -> BaseResponse:
        """Return what answers a request for ``path``, which is told from the folder on.

        Raises:
            NotFoundException: There is no such file.
            MethodNotAllowed: It is neither GET, HEAD nor OPTIONS.
        """
        method: str = scope["method"]
        if method == "OPTIONS":
            return BaseResponse(b"", 204, {"allow": _METHODS})
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(_METHODS)
        root: str = scope.get("root_path", "")
        slash: bool = scope["path"].endswith("/")
        asked = Headers(scope["headers"])
        accepted = ", ".join(asked.getlist("accept-encoding"))
        found = await to_thread.run_sync(self._find, path, accepted, slash)
        if found is None:
            raise NotFoundException
        if found.folder:
            query = quote_query(scope.get("query_string", b""))
            target = quote_path(f"{root.rstrip('/')}{path.rstrip('/')}/")
            return RedirectResponse(f"{target}?{query}" if query else target, 308)
        answer = FileResponse(found.path, status_code=found.status, headers=self._headers)
        answer.headers["content-type"] = type_of(found.name)
        if found.encoding is not None:
            answer.headers["content-encoding"] = found.encoding
            answer.variant = found.encoding
        if found.varies:
            answer.add_vary("Accept-Encoding")
        return answer

    def _find(self, path: str, accepted: str, slash: bool) -> _Found | None:
        """Look for a file; runs in a worker thread."""
        parts = self._parts(path)
        if parts is not None:
            for root in self._roots:
                found = self._in(root, parts, accepted, slash=slash)
                if found is not None:
                    return found
        if self._html:
            for root in self._roots:
                page = os.path.join(root, "404.html")  # noqa: PTH118
                if self._is_file(root, page):
                    return _Found(page, page, status=404)
        return None

    def _parts(self, path: str) -> Sequence[str] | None:
        """Return the parts of a path, or None when it leads nowhere."""
        parts = path.strip("/").split("/") if path not in ("", "/") else []
        # strip() takes several slashes away, and "//" is no spelling of "/".
        if path.startswith("//") or path.endswith("//"):
            return None
        for part in parts:
            if part in ("", ".", "..") or "\\" in part or "\0" in part:
                return None
            if os.name == "nt" and (":" in part or part.endswith((".", " "))):
                return None
            if part.startswith(".") and not self._hidden:
                return None
        return parts

    def _in(self, root: str, parts: Sequence[str], accepted: str, *, slash: bool) -> _Found | None:
        path = os.path.join(root, *parts)  # noqa: PTH118  # each part was looked at
        if self._html and self._is_folder(root, path):
            index = os.path.join(path, "index.html")  # noqa: PTH118
            if not self._is_file(root, index):
                return None
            return self._packed(root, index, accepted) if slash else _Found(path, "", folder=True)
        if not self._is_file(root, path) or (slash and parts):
            return None
        return self._packed(root, path, accepted)

    def _packed(self, root: str, path: str, accepted: str) -> _Found:
        siblings = [
            (coding, path + suffix)
            for coding, suffix in _PACKED
            if self._is_file(root, path + suffix)
        ]
        for coding, sibling in siblings:
            if accepts_encoding(accepted, coding):
                return _Found(sibling, path, coding, varies=True)
        return _Found(path, path, varies=bool(siblings))

    def _is_file(self, root: str, path: str) -> bool:
        return self._stands(root, path, stat.S_ISREG)

    def _is_folder(self, root: str, path: str) -> bool:
        return self._stands(root, path, stat.S_ISDIR)

    def _stands(self, root: str, path: str, is_kind: Callable[[int], bool]) -> bool:
        """Return whether there is such a thing, and links do not lead out of the folder."""
        try:
            real = os.path.realpath(path)
            inside = real == root or real.startswith(root.rstrip(os.sep) + os.sep)
            return (inside or self._follow) and is_kind(os.stat(real).st_mode)  # noqa: PTH116
        except (OSError, ValueError):
            return False


class StaticFilesHandler:
    """2.11's way: a handler for ``/static/{path:path}``. Deprecated: register `StaticFiles`."""

    def __init__(
        self,
        directory: Folder | None = None,
        directories: Iterable[Folder] | None = None,
        url_prefix: str = "/static/",
    ) -> None:
        """Serve as `StaticFiles` does, what stands below ``url_prefix``."""
        text = "StaticFilesHandler is deprecated: app.register(StaticFiles(...), '/static')"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        self._files = StaticFiles(directory, directories)
        self._prefix = f"/{url_prefix.strip('/')}"

    async def __call__(self, request: Request) -> BaseResponse:
        """Answer with the file that the path names."""
        return await self._files.answer(request.scope, request.path.removeprefix(self._prefix))
