"""An aggregate's version as entity tag: told with an answer, expected by a change."""

import re
from typing import Annotated, Final

from nexios.adapters.http.errors import HTTPException, PreconditionFailed
from nexios.adapters.http.request import Request
from nexios.container.depend import Depend

# Ours are told from the digests that other answers are tagged with.
_OURS: Final = re.compile(r'(?:W/)?"v(0|[1-9][0-9]{0,17})"')


def version_tag(version: int) -> str:
    """Return the tag of an aggregate's version: ``response.etag(version_tag(order.version))``.

    A GET that brings it back in ``If-None-Match`` is answered 304.
    """
    return f'"v{version}"'


def expected_version(request: Request) -> int | None:
    """Return the version that ``If-Match`` names, for ``aggregate.expect_version``.

    None without the field and for ``*``, which asks only that there is something. The compressed
    form of an answer has the same tag, marked weak: it names the version no less, so it is taken
    where RFC 9110, 13.1.1 compares bytes.

    Raises:
        PreconditionFailed: It names only what is no version: 412.
        HTTPException: It names several versions, of which a change can expect one only: 400.
    """
    told = request.headers.getlist("if-match")
    if not told:
        return None
    tags = [part.strip() for part in ",".join(told).split(",")]
    if tags == ["*"]:
        return None
    found = {int(match[1]) for tag in tags if (match := _OURS.fullmatch(tag))}
    if not found:
        raise PreconditionFailed
    if len(found) > 1:
        raise HTTPException(400, "If-Match names several versions; name the one that was read")
    return found.pop()


ExpectedVersion = Annotated[int | None, Depend(expected_version)]
"""A handler's parameter: what ``If-Match`` names.

``expected: ExpectedVersion``, then in the use case ``order.expect_version(expected)`` when it is
not None: another version is 412, and so is a change by somebody else at the same moment.
"""
