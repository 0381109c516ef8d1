"""Text and bytes in, values out: size, JSON, models, and how many bad ones are forgiven."""

from collections import deque
from functools import lru_cache
from typing import Any, Final, NewType, get_args, get_origin

import pydantic
from pydantic_core import PydanticSerializationError, ValidationError, from_json, to_json

from nexios.adapters.asgi.annotations import UNIONS, without_metadata, without_none
from nexios.adapters.asgi.bounds import BoundedValidator
from nexios.adapters.asgi.nul import may_hold_nul, nul_places
from nexios.application.limits import Limits
from nexios.records import dataclass

STRIKES: Final = 3
STRIKE_WINDOW_S: Final = 60.0

_STRUCTURE: Final = (",", ":", "[", "{")
_STRUCTURE_BYTES: Final = (b",", b":", b"[", b"{")


REF_LENGTH: Final = 128


class BadMessage(Exception):
    """A message that is not what the handler takes; it is answered, and not handed on.

    Attributes:
        status: 400 for what is no JSON, 422 for what does not fit the model.
        code: Kebab-case word for machines.
        message: For people; never the value that was sent.
        errors: One entry for each field.
    """

    def __init__(
        self, status: int, code: str, message: str, errors: tuple[dict[str, object], ...] = ()
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        super().__init__(status, code, message)


@dataclass(frozen=True, slots=True)
class Plain:
    """Messages that are taken as they come, and not as JSON.

    Attributes:
        kinds: ``str``, ``bytes`` or both.
        adapter: Checks what ``Annotated`` asks beside.
    """

    kinds: frozenset[type]
    adapter: "pydantic.TypeAdapter[Any]"

    @classmethod
    def of(cls, annotation: Any) -> "Plain | None":
        """Return what reads text, bytes or either; None when the annotation means JSON."""
        bare = without_none(annotation)
        members = get_args(bare) if get_origin(bare) in UNIONS else (bare,)
        kinds = frozenset(_behind(member) for member in members if member is not type(None))
        plain = kinds and kinds <= {str, bytes}
        return cls(kinds, pydantic.TypeAdapter(annotation)) if plain else None

    def read(self, payload: str | bytes, limits: Limits) -> Any:
        """Return the payload, once it meets the annotation.

        Raises:
            BadMessage: It does not.
        """
        try:
            return self.adapter.validate_python(payload)
        except ValidationError as error:
            raise _misfit(error, limits) from None


def _behind(annotation: Any) -> Any:
    bare, _ = without_metadata(annotation)
    return _behind(bare.__supertype__) if isinstance(bare, NewType) else bare


class Strikes:
    """Counts the bad messages of one socket within a minute."""

    __slots__ = ("_stamps",)

    def __init__(self) -> None:
        self._stamps: deque[float] = deque(maxlen=STRIKES)

    def add(self, now: float) -> bool:
        """Note one; True when it is the third within the window."""
        self._stamps.append(now)
        return len(self._stamps) == STRIKES and now - self._stamps[0] <= STRIKE_WINDOW_S


def too_long(payload: str | bytes, limit: int | None) -> bool:
    """Tell whether a payload is over the limit; text counts in UTF-8 bytes."""
    if limit is None:
        return False
    if isinstance(payload, bytes) or payload.isascii():
        return len(payload) > limit
    return len(payload) > limit or len(payload.encode("utf-8", "surrogatepass")) > limit


def parse_json(payload: str | bytes, limits: Limits) -> Any:
    """Return what a JSON text means.

    Raises:
        BadMessage: It is not JSON, is too complex, or a text in it holds U+0000.
    """
    _check_tokens(payload, limits)
    try:
        value = from_json(payload, allow_inf_nan=False)
    except (ValueError, TypeError) as error:
        raise _not_json(error) from None
    if may_hold_nul(payload):
        _refuse_nul(value, limits.errors)
    return value


def ref_in(payload: str | bytes, limits: Limits) -> str | int | None:
    """Return what a refused message called itself by its ``id``, for the answer; None for nothing.

    Args:
        payload: As it came; what is no JSON object has no id.
    """
    try:
        value = parse_json(payload, limits)
    except BadMessage:
        return None
    return ref_of(value)


def ref_of(message: object) -> str | int | None:
    """Return the ``id`` of a message that has one, a short text or a number."""
    given = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
    if isinstance(given, str) and len(given) <= REF_LENGTH:
        return given
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def parse_model(payload: str | bytes, model: Any, limits: Limits) -> Any:
    """Return the payload as ``model``: a pydantic model or any type pydantic knows.

    Raises:
        BadMessage: It is not JSON, or does not fit.
    """
    _check_tokens(payload, limits)
    if _may_hold_nan(payload) or may_hold_nul(payload):
        parse_json(payload, limits)
    try:
        content = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
        return validator_of(model, limits.keyed_items)(content)
    except ValidationError as error:
        raise _misfit(error, limits) from None


def write_json(value: object) -> str:
    """Return a value as JSON text; NaN and infinity become null.

    Raises:
        TypeError: The value, or something in it, has no JSON form.
    """
    try:
        return to_json(value, inf_nan_mode="null").decode()
    except PydanticSerializationError as error:
        raise TypeError(f"this cannot be sent as JSON: {error}") from error


@lru_cache(maxsize=512)
def validator_of(model: Any, keyed_items: int) -> BoundedValidator:
    """Return the compiled validator of a type, by the rules of JSON bodies; made once."""
    return BoundedValidator(pydantic.TypeAdapter(model), keyed_items)


def field_error(loc: tuple[int | str, ...], kind: str, text: str) -> dict[str, object]:
    """Return one entry of ``errors``: where it is and what it should be, never what it was."""
    name = ".".join(str(part) for part in loc)
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in loc)
    return {"name": name, "pointer": f"#{pointer}", "code": kind, "detail": plain_text(text)}


def plain_text(text: str) -> str:
    """Return pydantic's text without its subject: ``should be a valid integer``."""
    return text.removeprefix("Input ").removeprefix("Value error, ") or text


def _misfit(error: ValidationError, limits: Limits) -> BadMessage:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return _not_json(ValueError(found[0]["msg"]))
    fields = tuple(field_error(item["loc"], item["type"], item["msg"]) for item in found)
    return _invalid(fields[: limits.errors], len(fields))


def _invalid(fields: tuple[dict[str, object], ...], number: int) -> BadMessage:
    detail = "1 field is not valid" if number == 1 else f"{number} fields are not valid"
    return BadMessage(422, "message-invalid", detail, fields)


def _refuse_nul(value: object, limit: int) -> None:
    places, number = nul_places(value, limit)
    if number:
        found = tuple(field_error(place, "nul", "should not hold U+0000") for place in places)
        raise _invalid(found, number)


def _check_tokens(payload: str | bytes, limits: Limits) -> None:
    if len(payload) <= limits.json_tokens:
        return
    if isinstance(payload, str):
        tokens = sum(payload.count(mark) for mark in _STRUCTURE)
    else:
        tokens = sum(payload.count(mark) for mark in _STRUCTURE_BYTES)
    if tokens > limits.json_tokens:
        raise BadMessage(400, "json-too-complex", "the JSON has too many parts")


def _may_hold_nan(payload: str | bytes) -> bool:
    if isinstance(payload, str):
        return "NaN" in payload or "Infinity" in payload
    return b"NaN" in payload or b"Infinity" in payload


def _not_json(error: Exception) -> BadMessage:
    if "recursion limit" in str(error):
        return BadMessage(400, "json-too-complex", "the JSON is nested too deeply")
    return BadMessage(400, "malformed-json", "the message is not valid JSON")
