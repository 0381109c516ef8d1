"""What was wrong with the input, in words that never repeat what was sent."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails, ValidationError

from nexios.adapters.asgi.nul import nul_places

Fault = dict[str, str]

_NAME_CHARS: Final = 128
_NUL: Final = "should not hold U+0000"

# Only bounds of the schema are filled in; a context value that came from the client never is.
_TEXTS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "int_parsing_size": "has too many digits",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "decimal_parsing": "should be a decimal number",
    "decimal_type": "should be a decimal number",
    "decimal_max_digits": "should have at most {max_digits} digits",
    "decimal_max_places": "should have at most {decimal_places} decimal places",
    "decimal_whole_digits": "should have at most {whole_digits} digits before the point",
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "string_type": "should be text",
    "string_too_short": "should have at least {min_length} characters",
    "string_too_long": "should have at most {max_length} characters",
    "string_pattern_mismatch": "should match the pattern {pattern}",
    "too_short": "should have at least {min_length} items",
    "too_long": "should have at most {max_length} items",
    "greater_than": "should be more than {gt}",
    "greater_than_equal": "should be {ge} or more",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be {le} or less",
    "multiple_of": "should be a multiple of {multiple_of}",
    "enum": "should be one of {expected}",
    "literal_error": "should be one of {expected}",
    "uuid_parsing": "should be a UUID",
    "uuid_type": "should be a UUID",
    "uuid_version": "should be a UUID of version {expected_version}",
    "date_parsing": "should be a date, as 2026-01-31",
    "date_type": "should be a date, as 2026-01-31",
    "date_from_datetime_parsing": "should be a date, as 2026-01-31",
    "date_from_datetime_inexact": "should be a date without a time",
    "datetime_parsing": "should be a date and time, as 2026-01-31T12:00:00Z",
    "datetime_type": "should be a date and time, as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "should be a date and time, as 2026-01-31T12:00:00Z",
    "timezone_aware": "should have a time zone",
    "timezone_naive": "should have no time zone",
    "time_parsing": "should be a time, as 12:30:00",
    "time_type": "should be a time, as 12:30:00",
    "time_delta_parsing": "should be a duration, as PT1H30M",
    "time_delta_type": "should be a duration, as PT1H30M",
    "date_past": "should be in the past",
    "date_future": "should be in the future",
    "datetime_past": "should be in the past",
    "datetime_future": "should be in the future",
    "list_type": "should be a list",
    "set_type": "should be a list without repeated items",
    "frozen_set_type": "should be a list without repeated items",
    "tuple_type": "should be a list",
    "dict_type": "should be an object",
    "mapping_type": "should be an object",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
    "dataclass_type": "should be an object",
    "url_parsing": "should be an address",
    "url_scheme": "should be an address beginning with {expected_schemes}",
    "value_parsing": "is not valid",
    "file_type": "should be a file",
}


_OF_ONE: Final = re.compile(r"(\b1 (?:character|item|digit|decimal place))s\b")


def text_of(detail: ErrorDetails, given: object) -> str:
    """Return the sentence for one of pydantic's errors; ``given`` is what it is about."""
    kind = detail["type"]
    template = _TEXTS.get(kind)
    if template is not None:
        text = template.format_map(detail.get("ctx", {})) if "{" in template else template
        return _OF_ONE.sub(r"\1", text)
    if kind in ("value_error", "assertion_error"):
        return _own_words(detail, given)
    return "is not valid"


def _own_words(detail: ErrorDetails, given: object) -> str:
    # A validator of the application wrote this; it is shown unless it repeats a value.
    message = str(detail.get("ctx", {}).get("error", ""))
    if not message or any(leaf in message for leaf in _leaves(given)):
        return "is not valid"
    return message


def _leaves(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple, set)) and depth < 8:
        for item in value:
            yield from _leaves(item, depth + 1)
    elif value is not None and not isinstance(value, bool) and (text := str(value)):
        yield text


def from_validation(
    error: ValidationError, places: Mapping[str, tuple[str, str]], limit: int
) -> list[Fault]:
    """Return the first ``limit`` faults of simple parameters.

    Args:
        error: What the validator of all simple parameters raised.
        places: Key of the validator to place and name on the wire.
        limit: The number of faults to describe.
    """
    faults = []
    for detail in error.errors(include_url=False)[:limit]:
        key, *rest = detail["loc"]
        place, name = places[str(key)]
        if place == "header" and not name and rest:  # of a model: told as it stands on the wire
            rest[0] = str(rest[0]).replace("_", "-")
        path = [part for part in (name, *map(str, rest)) if part]
        faults.append(_fault(place, path, detail, detail.get("input")))
    return faults


def from_body(error: ValidationError, document: Any, limit: int) -> list[Fault]:
    """Return the first ``limit`` faults of a JSON body.

    Args:
        error: What the validator of the body raised.
        document: The body as JSON; steps of ``loc`` that are not in it (a union's member, a
            validator's name) name classes and are left out.
        limit: The number of faults to describe.
    """
    # Drawing up what was given for each of very many is half the cost, and it is all here.
    details = error.errors(include_url=False, include_input=False)[:limit]
    return [_fault("body", *_place_in(document, detail)) for detail in details]


def nul_in_body(document: object, limit: int) -> tuple[list[Fault], int]:
    """Return the first ``limit`` faults of texts with U+0000 in a body, and how many there are."""
    places, total = nul_places(document, limit)
    return [_at("body", list(map(str, place)), "nul", _NUL) for place in places], total


def nul_in_form(name: str) -> Fault:
    """Return the fault of a form's text with U+0000 in it."""
    return _at("form", [name], "nul", _NUL)


def missing(place: str, name: str) -> Fault:
    """Return the fault of a required value that did not come."""
    return _at(place, [name] if name else [], "missing", _TEXTS["missing"])


def _fault(place: str, path: list[str], detail: ErrorDetails, given: object) -> Fault:
    return _at(place, path, detail["type"], text_of(detail, given))


def _at(place: str, path: list[str], code: str, text: str) -> Fault:
    path = [part[:_NAME_CHARS] for part in path]
    return {
        "in": place,
        "name": ".".join(path),
        "pointer": _pointer(path),
        "code": code,
        "detail": text,
    }


def _place_in(document: Any, detail: ErrorDetails) -> tuple[list[str], ErrorDetails, object]:
    path: list[str] = []
    here = document
    last = len(detail["loc"]) - 1
    for index, step in enumerate(detail["loc"]):
        if isinstance(here, dict) and str(step) in here:
            here = here[str(step)]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        elif not (index == last and detail["type"] == "missing"):
            continue
        path.append(str(step))
    return path, detail, here


def _pointer(path: list[str]) -> str:
    # RFC 6901, 3: "~" and "/" are escaped.
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
