"""Validates the JSON body of an endpoint: the whole of it, or members that are parameters."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import ValidationError, from_json

from nexios.adapters.asgi.annotations import Member
from nexios.adapters.asgi.bounds import BoundedValidator
from nexios.adapters.asgi.nul import may_hold_nul
from nexios.adapters.asgi.params import MISSING, fresh
from nexios.adapters.http.errors import MalformedBody, RequestInvalid
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.faults import Fault, from_body, missing, nul_in_body
from nexios.adapters.http.fields import body_validator, embedded_validator
from nexios.adapters.http.json_text import check_json, is_plain
from nexios.application.limits import ENGINE_JSON_DEPTH, Limits
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A parameter filled from the JSON body, or with ``embed`` from one member of it."""

    key: str
    name: str
    annotation: Any
    default: object
    embed: bool


class JsonBody:
    """The validator of a body and what becomes of its value.

    Attributes:
        only: Returns the value of the only part, from what was read; None where members of the
            body are parts. Raises `MalformedBody` for what says it is JSON and is not, and
            `RequestInvalid` with the faults.
    """

    __slots__ = ("_embedded", "_limits", "_missing", "_parts", "_validate", "only")

    def __init__(self, parts: Sequence[BodyPart], limits: Limits) -> None:
        """Build the validator; ``limits`` are those of the route."""
        self._parts = tuple(parts)
        self._limits = limits
        self._embedded = parts[0].embed
        if self._embedded:
            members = [Member(p.name, p.annotation, p.default is MISSING) for p in parts]
            self._validate = embedded_validator(members, limits.keyed_items)
        else:
            self._validate = body_validator(parts[0].annotation, limits.keyed_items)
        self._missing = [
            missing("body", part.name if self._embedded else "")
            for part in parts
            if part.default is MISSING
        ]
        self.only = None if self._embedded else self._reader_of_all(self._validate)

    async def read(self, exchange: Exchange) -> tuple[dict[str, object], list[Fault], int]:
        """Return the values by key, the faults, and how many faults there were in all.

        Raises:
            UnsupportedMediaType: The body is not JSON, or is compressed.
            MalformedBody: It says it is JSON and is not.
            BodyTooLarge: It is over the limit of the route.
        """
        content = await exchange.read_json()
        if not content:
            faults = [dict(fault) for fault in self._missing]  # who answers may change them
            return self._defaults(), faults, len(faults)
        value, faults, total = self._checked(content)
        if total:
            return dict.fromkeys(self._keys()), faults, total
        if not self._embedded:
            return {self._parts[0].key: value}, [], 0
        return {p.key: value.get(p.name, p.default) for p in self._parts}, [], 0

    def _reader_of_all(self, validator: BoundedValidator) -> Callable[[bytes], object]:
        closely, full, strict = self._only_closely, validator.full, validator.strict
        limits = self._limits
        # The engine keeps to the depth itself, and a short body has few tokens.
        short = min(validator.short, limits.json_tokens)
        if not validator.finite or limits.json_depth < ENGINE_JSON_DEPTH:
            short = 0

        def only(content: bytes) -> object:
            if not 0 < len(content) < short or not is_plain(content):
                return closely(content)
            try:
                return full(content, strict=strict)
            except ValidationError as error:
                return closely(content, error)

        return only

    def _only_closely(self, content: bytes, refusal: ValidationError | None = None) -> object:
        if not content:
            if self._missing:
                raise RequestInvalid([dict(fault) for fault in self._missing], len(self._missing))
            return fresh(self._parts[0].default)
        value, faults, total = self._checked(content, refusal)
        if total:
            raise RequestInvalid(faults[: self._limits.errors], total) from None
        return value

    def _checked(
        self, content: bytes, refusal: ValidationError | None = None
    ) -> tuple[Any, list[Fault], int]:
        check_json(content, self._limits)
        errors = self._limits.errors
        value: Any = None
        faults: list[Fault] = []
        total = 0
        try:
            if refusal is None:
                value = self._validate(content)
            else:
                value = self._validate.recover(content, refusal)
        except ValidationError as error:
            faults, total = _faults_of(error, content, errors), error.error_count()
        if may_hold_nul(content):
            of_nul, more = nul_in_body(from_json(content), errors)
            faults, total = faults + of_nul, total + more
        return value, faults, total

    def _keys(self) -> list[str]:
        return [part.key for part in self._parts]

    def _defaults(self) -> dict[str, object]:
        return {p.key: None if p.default is MISSING else fresh(p.default) for p in self._parts}


def _faults_of(error: ValidationError, content: bytes, limit: int) -> list[Fault]:
    # What is no JSON is one error; all of ten thousand others need not be drawn up to see that.
    if error.error_count() == 1:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid" and not first["loc"]:
            raise MalformedBody("the body is not JSON") from None
    return from_body(error, from_json(content), limit)
