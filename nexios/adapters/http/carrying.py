"""What the builder answers with when the content is sent while it is read or made."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Self

from nexios.adapters.http.background import Tasks
from nexios.adapters.http.files import Disposition, FileResponse
from nexios.adapters.http.response import BaseResponse, encode_json
from nexios.adapters.http.shortcuts import Shortcuts
from nexios.adapters.http.sse import EventStream
from nexios.adapters.http.stream import Chunks, StreamingResponse


class Carrying(Shortcuts):
    """The builder's files, streams, events, and what is done when they are out.

    Attributes:
        tasks: What ``background`` was given; None when it was given nothing.
    """

    __slots__ = ("tasks",)

    tasks: Tasks | None

    @property
    def json_writer(self) -> Callable[[Any], bytes] | None:
        """What the application writes JSON with instead of our own writer, if it does."""
        raise NotImplementedError

    def _carry(self, final: BaseResponse, status_code: int | None = None) -> Self:
        """Take the content of a final, and what describes it; all that was set by hand stays."""
        raise NotImplementedError

    def file(
        self,
        path: str | os.PathLike[str],
        filename: str | None = None,
        content_disposition_type: Disposition = "inline",
    ) -> Self:
        """Answer with a file, with conditions and ranges; a missing one is 404.

        Args:
            path: Chosen by the application; what a client names belongs to `StaticFiles`.
            filename: Under which the client saves it.
            content_disposition_type: ``attachment`` makes a browser save it.
        """
        return self._carry(FileResponse(path, filename, 200, None, content_disposition_type))

    def download(self, path: str | os.PathLike[str], filename: str | None = None) -> Self:
        """Answer with a file that a browser saves, under its own name unless given."""
        return self.file(path, filename, "attachment")

    def stream(
        self,
        iterator: Chunks,
        content_type: str = "text/plain",
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer with the chunks of a sync or async iterator, each when it is there."""
        self._carry(StreamingResponse(iterator, content_type=content_type), status_code)
        return self.set_headers(headers or {})

    def sse(self, events: Chunks, ping_s: float = 15, retry_ms: int = 2000) -> Self:
        """Answer with server-sent events, until they end, the peer leaves or the app stops.

        Args:
            events: `ServerSentEvent`, text, models, dicts; sync or async.
            ping_s: Seconds of silence after which a comment is sent.
            retry_ms: What the browser waits before it comes back.
        """
        write = self.json_writer or encode_json
        return self._carry(EventStream(events, ping_s=ping_s, retry_ms=retry_ms, to_json=write))

    def background(
        self, function: Callable[..., object], /, *args: object, **kwargs: object
    ) -> Self:
        """Call ``function`` when the last byte is out, in a REQUEST scope of its own.

        Parameters that are not given are injected; a ``def`` runs in a worker thread. Nothing
        starts when the request fails.
        """
        if self.tasks is None:
            self.tasks = Tasks()
        self.tasks.add(function, *args, **kwargs)
        return self
