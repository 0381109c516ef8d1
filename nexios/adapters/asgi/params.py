"""What a signature may ask a connection for: Query, Header, Cookie, Path, Body, Form, File."""

import copy
from dataclasses import replace
from enum import Enum
from typing import Any, Final, Literal, Self

from nexios.records import dataclass

__all__ = [
    "MISSING",
    "Body",
    "Cookie",
    "File",
    "Form",
    "Header",
    "Marker",
    "Path",
    "Query",
    "fresh",
]

Place = Literal["query", "header", "cookie", "path", "body", "form", "file"]


class _Missing:
    """Stands where no default was given, since None is a default."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()

_SHARED: Final = (str, bytes, int, float, bool, Enum, type(None), tuple, frozenset)


def fresh(default: object) -> object:
    """Return the default for one request or socket.

    A list or model given as default must not carry one request's changes into the next.
    """
    return default if isinstance(default, _SHARED) else copy.deepcopy(default)


_CONSTRAINTS: Final = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")


@dataclass(frozen=True, slots=True)
class Marker:
    """One place to read from, with the constraints its value must meet.

    Attributes:
        place: Where the value is looked up; also the ``in`` of an error, which for a file is
            ``form``.
        default: Used when the request lacks the value; ``MISSING`` makes it required.
        alias: Name on the wire, when it differs from the parameter's.
        constraints: What pydantic's ``Field`` takes, given ones only.
        embed: Body only: the value is one member of the JSON object.
    """

    place: Place
    default: object = MISSING
    alias: str | None = None
    constraints: tuple[tuple[str, object], ...] = ()
    embed: bool = False

    def with_default(self, default: object) -> Self:
        """Return the same marker with another default (``Annotated[int, Query()] = 1``)."""
        return type(self)(self.place, default, self.alias, self.constraints, self.embed)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"this is still the marker for a value from the {self.place}: the handler was "
            f"called without the framework, so pass the value itself"
        )


def _marker(place: Place, default: object, alias: str | None, given: dict[str, object]) -> Marker:
    constraints = tuple(
        (name, given[name]) for name in _CONSTRAINTS if given.get(name) is not None
    )
    return Marker(place, default, alias, constraints)


# They all return Any because the marker stands where the value will be: `page: int = Query(1)`.


def Query(  # noqa: N802  # reads as a type at the place of use
    default: object = MISSING,
    *,
    alias: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Read a scalar, a list of scalars or a whole model from the query string."""
    return _marker("query", default, alias, locals())


def Header(  # noqa: N802
    default: object = MISSING,
    *,
    alias: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Read from the headers; without ``alias``, ``_`` in the name stands for ``-``."""
    return _marker("header", default, alias, locals())


def Cookie(  # noqa: N802
    default: object = MISSING,
    *,
    alias: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Read from the cookies."""
    return _marker("cookie", default, alias, locals())


def Path(  # noqa: N802
    default: object = MISSING,
    *,
    alias: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Read a value of the path template, where its constraints or another name are needed."""
    return _marker("path", default, alias, locals())


def Form(  # noqa: N802
    default: object = MISSING,
    *,
    alias: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Read a field, several of one name or a whole model from an urlencoded or multipart form.

    An empty field is absent for every type but ``str``: browsers send one for each empty input.
    """
    return _marker("form", default, alias, locals())


def File(default: object = MISSING, *, alias: str | None = None) -> Any:  # noqa: N802
    """Read a file of a multipart form: ``UploadedFile``, or a list of them.

    The annotation alone does the same; the marker is for another name on the wire.
    """
    return Marker("file", default, alias)


def Body(  # noqa: N802
    default: object = MISSING,
    *,
    embed: bool = False,
    alias: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Read the JSON body, or with ``embed`` one member of it.

    Args:
        default: The value when no body came; without it the body is required.
        embed: Take the member named like the parameter out of a JSON object, so that several
            parameters can share one body.
        alias: The member's name, when it differs from the parameter's.
    """
    return replace(_marker("body", default, alias, locals()), embed=embed)
