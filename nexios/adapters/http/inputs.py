"""Reads and checks the input of one request: every bad field of an endpoint in one answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ValidationError

from nexios.adapters.asgi.annotations import Member, members_validator
from nexios.adapters.asgi.params import MISSING, fresh
from nexios.adapters.http.errors import RequestInvalid
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.faults import Fault, from_validation, nul_in_form
from nexios.adapters.http.json_body import BodyPart, JsonBody
from nexios.adapters.http.readers import Raw
from nexios.application.limits import Limits
from nexios.container.keys import MISSING as ABSENT
from nexios.records import dataclass

BodyReaders = tuple[Callable[[Exchange], Any], Callable[[Exchange], object]]
"""A getter to be awaited, and what is asked before it: `ABSENT` says that it has to be."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A parameter of text: its place and name on the wire, what it becomes, where it is read."""

    key: str
    place: str
    name: str
    annotation: Any
    default: object
    raw: Raw


class FormBody:
    """The validator of a form's fields and files, all of them together."""

    __slots__ = ("_defaults", "_keys", "_places", "_readers", "_validate")

    def __init__(self, fields: Sequence[Simple]) -> None:
        self._readers = tuple((one.key, one.raw) for one in fields)
        self._places = {one.key: (one.place, one.name) for one in fields}
        self._keys = tuple(one.key for one in fields)
        self._defaults = tuple((f.key, f.default) for f in fields if f.default is not MISSING)
        members = [Member(f.key, f.annotation, f.default is MISSING) for f in fields]
        self._validate = members_validator(members).validate_python

    async def read(self, exchange: Exchange) -> tuple[dict[str, object], list[Fault], int]:
        """Return the values by key, the faults, and how many faults there were in all.

        Raises:
            UnsupportedMediaType: The body is no form, or is compressed.
            MalformedBody: It says it is a form and is not.
            BodyTooLarge: It, or a part of it, is over its limit.
        """
        names = (await exchange.read_form()).nul_names
        faults = [nul_in_form(name) for name in names[: exchange.limits.errors]]
        total = len(names)
        given = {}
        for key, raw in self._readers:
            value = raw(exchange)
            if value is not MISSING:
                given[key] = value
        try:
            values: dict[str, object] = self._validate(given)
        except ValidationError as error:
            faults = from_validation(error, self._places, exchange.limits.errors) + faults
            return dict.fromkeys(self._keys), faults, total + error.error_count()
        for key, default in self._defaults:
            if key not in values:
                values[key] = fresh(default)
        return values, faults, total


class Inputs:
    """All that one endpoint, or one check before it, reads from a request.

    Filled at start by the binding, sealed once, then only read. The first getter that runs
    checks everything; the others take their value from the exchange.
    """

    __slots__ = (
        "_alone",
        "_body",
        "_defaults",
        "_first",
        "_form",
        "_keyed_items",
        "_keys",
        "_late_body",
        "_parts",
        "_places",
        "_readers",
        "_simple",
        "_validate",
    )

    def __init__(self, keyed_items: int) -> None:
        """Begin with nothing; ``keyed_items`` is the limit of the route."""
        self._keyed_items = keyed_items
        self._simple: list[Simple] = []
        self._parts: list[BodyPart] = []
        self._form: list[Simple] = []
        self._late_body = False
        self._body: JsonBody | FormBody | None = None
        self._alone: Callable[[bytes], object] | None = None
        self._readers: tuple[tuple[str, Raw], ...] = ()
        self._validate: Callable[[dict[str, object]], dict[str, object]] = dict
        self._places: Mapping[str, tuple[str, str]] = {}
        self._defaults: tuple[tuple[str, object], ...] = ()
        self._keys: tuple[str, ...] = ()
        self._first = ""

    @property
    def simple(self) -> Sequence[Simple]:
        """The parameters of text, in the order they were asked for."""
        return self._simple

    @property
    def parts(self) -> Sequence[BodyPart]:
        """The parameters that share the body."""
        return self._parts

    @property
    def form(self) -> Sequence[Simple]:
        """The parameters that come from a form."""
        return self._form

    @property
    def alone(self) -> Callable[[bytes], object] | None:
        """What makes the only value that is read of a whole body of JSON; None for any other."""
        return self._alone

    def add(self, simple: Simple) -> Callable[[Exchange], object]:
        """Add a parameter and return its getter."""
        self._simple.append(simple)
        return self._reader(simple.key)

    def add_part(self, part: BodyPart, *, of_target: bool) -> "BodyReaders":
        """Add a body parameter and return what reads it.

        Args:
            part: The parameter.
            of_target: The handler itself asks, so this getter runs before anything is made for
                it, and faults found earlier can wait for those of the body.
        """
        self._parts.append(part)
        self._late_body = self._late_body or of_target
        return self._body_reader(part.key), self._body_at_once()

    def add_form(self, field: Simple, *, of_target: bool) -> Callable[[Exchange], Any]:
        """Add a field or file of the form and return its getter, to be awaited."""
        self._form.append(field)
        self._late_body = self._late_body or of_target
        return self._body_reader(field.key)

    def _reader(self, key: str) -> Callable[[Exchange], object]:
        check = self._check

        def read(exchange: Exchange) -> object:
            inputs = exchange.inputs
            if inputs is None or key not in inputs:
                inputs = check(exchange)
            return inputs[key]

        return read

    def _body_reader(self, key: str) -> Callable[[Exchange], Any]:
        check = self._check_all

        async def read(exchange: Exchange) -> object:
            inputs = exchange.inputs
            if inputs is None or key not in inputs:
                alone = self._alone
                if alone is not None:
                    # What is done for several, in one coroutine instead of three.
                    value = alone(await exchange.read_json())
                    if inputs is None:
                        exchange.inputs = {key: value}
                    else:
                        inputs[key] = value
                    return value
                inputs = await check(exchange)
            return inputs[key]

        return read

    def _body_at_once(self) -> Callable[[Exchange], object]:
        """Return what reads a body that is there; `ABSENT` says that the getter is to be awaited.

        A body that came with its head is read without a coroutine: 0.3 us a request.
        """

        def read_now(exchange: Exchange) -> object:
            alone = self._alone
            if alone is not None:
                content = exchange.json_at_once()
                if content is not None:
                    return alone(content)
            return ABSENT

        return read_now

    def seal(self, limits: Limits) -> None:
        """Build the validators. Called once, when every parameter is known.

        Args:
            limits: Of the route, for what is compiled into them.
        """
        simple = self._simple
        self._readers = tuple((item.key, item.raw) for item in simple)
        self._places = {item.key: (item.place, item.name) for item in simple}
        self._defaults = tuple((s.key, s.default) for s in simple if s.default is not MISSING)
        self._keys = tuple(item.key for item in simple)
        self._first = self._keys[0] if simple else ""
        if simple:
            members = [Member(s.key, s.annotation, s.default is MISSING) for s in simple]
            self._validate = members_validator(members).validate_python
        if self._parts:
            body = self._body = JsonBody(self._parts, limits)
            self._alone = None if simple or len(self._parts) > 1 else body.only
        elif self._form:
            self._body = FormBody(self._form)

    def _check(self, exchange: Exchange) -> dict[str, object]:
        values, faults, total = self._check_simple(exchange)
        if total:
            if not self._late_body:
                raise RequestInvalid(faults, total)
            exchange.faults = (faults, total)
        return values

    def _check_simple(self, exchange: Exchange) -> tuple[dict[str, object], list[Fault], int]:
        given = {}
        for key, raw in self._readers:
            value = raw(exchange)
            if value is not MISSING:
                given[key] = value
        faults: list[Fault] = []
        total = 0
        try:
            values = self._validate(given)
        except ValidationError as error:
            values = dict.fromkeys(self._keys)
            total = error.error_count()
            faults = from_validation(error, self._places, exchange.limits.errors)
        else:
            for key, default in self._defaults:
                if key not in values:
                    values[key] = fresh(default)
        if exchange.inputs is None:
            exchange.inputs = values
        else:
            exchange.inputs.update(values)
        return exchange.inputs, faults, total

    async def _check_all(self, exchange: Exchange) -> dict[str, object]:
        inputs = exchange.inputs
        faults: list[Fault] = []
        total = 0
        if exchange.faults is not None:
            faults, total = exchange.faults
        elif self._readers and (inputs is None or self._first not in inputs):
            inputs, faults, total = self._check_simple(exchange)
        if self._body is None:
            raise RuntimeError("the inputs of this endpoint were not sealed")
        values, of_body, more = await self._body.read(exchange)
        if total + more:
            raise RequestInvalid((faults + of_body)[: exchange.limits.errors], total + more)
        if inputs is None:
            inputs = exchange.inputs = values
        else:
            inputs.update(values)
        return inputs
