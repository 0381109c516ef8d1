"""Conditions of a request, held against an answer that is in memory."""

import hashlib

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.errors import PreconditionFailed
from nexios.adapters.http.ranges import Verdict, quoted_tag, verdict
from nexios.adapters.http.response import BaseResponse
from nexios.adapters.http.stream import StreamingResponse


def conditional(final: BaseResponse, tag: str, scope: Scope | None) -> BaseResponse:
    """Return the answer with its tag, as 304 when the client has it (RFC 9110, 13).

    Args:
        final: May be changed.
        tag: In quotes; "" for one of the content.
        scope: Of the request; None where there is none.

    Raises:
        PreconditionFailed: ``If-Match`` names another.
    """
    if not tag:
        if isinstance(final, StreamingResponse):
            return final  # nobody knows its content
        tag = quoted_tag(hashlib.blake2b(final.body, digest_size=16).hexdigest())
    final.headers["etag"] = tag
    # What another method does is done: its conditions were for the handler to look at.
    if scope is None or scope["method"] not in ("GET", "HEAD"):
        return final
    outcome = verdict(scope["method"], Connection(scope).headers, tag)
    if outcome is Verdict.FAILED:
        raise PreconditionFailed
    if outcome is Verdict.NOT_MODIFIED:
        final.status_code = 304
    return final
