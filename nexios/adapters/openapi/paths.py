"""Writes what a converter of a path template takes as a schema."""

import re
from typing import Any, Final

from nexios.adapters.openapi.schemas import Schemas, Slot
from nexios.adapters.routing.converters import (
    Convertor,
    DateConvertor,
    DateTimeConvertor,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    SlugConvertor,
    StringConvertor,
    UUIDConvertor,
)
from nexios.adapters.routing.template import Field

_KNOWN: Final[dict[type[Convertor[Any]], Slot]] = {
    # What no path may hold is refused before it is routed (adapters/asgi/firewall.py).
    StringConvertor: {"type": "string", "pattern": r"^[^/\\\u0000-\u001f\u007f-\u009f]+$"},
    PathConvertor: {"type": "string", "pattern": r"^[^\\\u0000-\u001f\u007f-\u009f]*$"},
    IntegerConvertor: {"type": "integer", "minimum": 0},
    FloatConvertor: {"type": "number", "minimum": 0},
    UUIDConvertor: {"type": "string", "format": "uuid"},
    SlugConvertor: {"type": "string", "pattern": f"^{SlugConvertor.regex}$"},
    DateConvertor: {"type": "string", "format": "date"},
    DateTimeConvertor: {"type": "string", "format": "date-time"},
}


def path_schema(field: Field, schemas: Schemas) -> Slot:
    """Return the schema of a path value: what its converter says, else its type and pattern."""
    known = _KNOWN.get(type(field.convertor))
    if known is not None:
        return dict(known)
    annotation = getattr(field.convertor, "annotation", str)
    if annotation is str:
        pattern = re.sub(r"\(\?P<[^>]*>", "(?:", field.convertor.regex)
        return {"type": "string", "pattern": f"^(?:{pattern})$"}
    return schemas.ask(annotation, "validation")
