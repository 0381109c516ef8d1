"""Describes one route as an operation, from the plan that binds it."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from nexios.adapters.asgi.params import MISSING
from nexios.adapters.http.inputs import Simple
from nexios.adapters.http.json_body import BodyPart
from nexios.adapters.http.problems import phrase
from nexios.adapters.openapi.answers import JSON, PROBLEM, SUCCESS, Answer, answers_of
from nexios.adapters.openapi.listing import Listed
from nexios.adapters.openapi.paths import path_schema
from nexios.adapters.openapi.schemas import Schemas, Slot, with_default, without_null
from nexios.adapters.openapi.words import Problem, Word
from nexios.container.keys import MISSING as ABSENT
from nexios.container.signature import hint_of
from nexios.records import dataclass

_TEXT_PLACES: Final = ("path", "query", "header", "cookie")
# A parameter of these names would be ignored (OpenAPI 3.1, 4.8.12): they are said otherwise.
_SAID_OTHERWISE: Final = frozenset({"accept", "content-type", "authorization"})
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_SOME: Final = {"1": "Information", "2": "Success", "3": "Redirection", "4": "Client error"}


@dataclass(slots=True)
class Facts:
    """What the plan of one operation reads and answers, with the slots of its types.

    Attributes:
        simple: Every parameter of text, with its slot; those of checks included.
        parts: The parameters that share the JSON body.
        streams: The body is taken as it arrives.
        extra: What ``responses=`` says, by status.
    """

    listed: Listed
    simple: list[tuple[Simple, Slot]] = field(default_factory=list)
    parts: list[tuple[BodyPart, Slot]] = field(default_factory=list)
    paths: list[tuple[str, Slot]] = field(default_factory=list)
    answers: list[tuple[Answer, Slot]] = field(default_factory=list)
    extra: dict[str, tuple[Any, Slot | None]] = field(default_factory=dict)
    streams: bool = False
    problem: Slot = field(default_factory=dict)


def read(one: Listed, schemas: Schemas) -> Facts:
    """Ask for the types of an operation; its plan must have been made."""
    route, source = one.unit.flat.route, one.unit.source
    facts = Facts(one, streams=source.streams, problem=schemas.ask(Problem, "validation"))
    for inputs in source.inputs:
        for simple in (*inputs.simple, *inputs.form):
            facts.simple.append((simple, schemas.ask(simple.annotation, "validation")))
        # What the handler reads describes the body better than a check before it does.
        for part in () if facts.parts else inputs.parts:
            facts.parts.append((part, schemas.ask(part.annotation, "validation")))
    fields = one.unit.templates[0].fields
    facts.paths = [(value.name, path_schema(value, schemas)) for value in fields]
    for answer in answers_of(hint_of(route.handler), route.options.get("status")):
        known = answer.type is not MISSING and answer.type is not ABSENT
        slot = schemas.ask(answer.type, "serialization") if known else {}
        facts.answers.append((answer, slot))
    said = {**one.unit.flat.around.responses, **(route.options.get("responses") or {})}
    for status, value in said.items():
        facts.extra[str(status)] = (value, _asked(value, schemas))
    return facts


def operation(facts: Facts, schemas: Schemas, security: Sequence[Any] | None) -> dict[str, Any]:
    """Return the operation as the document has it; every slot has been filled.

    Args:
        security: What it asks for; None where it asks for nothing of its own.
    """
    route, around = facts.listed.unit.flat.route, facts.listed.unit.flat.around
    summary, description = words_of(route.handler)
    tags = tuple(dict.fromkeys((*around.tags, *route.tags)))
    body = _request_body(facts, schemas, route.options.get("request_content_type"))
    parameters = parameters_of(facts, schemas, route.options.get("parameters") or ())
    written: dict[str, Any] = {
        "tags": list(tags) or None,
        "summary": route.summary or summary,
        "description": route.description or description,
        "operationId": facts.listed.id,
        "parameters": parameters or None,
        "requestBody": body,
        "responses": _responses(facts, has_body=body is not None),
        "deprecated": route.deprecated or None,
        "security": None if security is None else [dict(one) for one in security],
    }
    return {name: value for name, value in written.items() if value is not None}


def words_of(handler: Any) -> tuple[str | None, str | None]:
    """Return summary and description of a docstring: its first paragraph and what follows."""
    # What a class inherits tells of its base.
    told = vars(handler).get("__doc__") if isinstance(handler, type) else None
    text = inspect.cleandoc(told) if told else None
    if not isinstance(handler, type) and hasattr(handler, "__doc__"):
        text = inspect.getdoc(handler)
    summary, _, rest = (text or "").partition("\n\n")
    return " ".join(summary.split()) or None, rest.strip() or None


def parameters_of(
    facts: Facts, schemas: Schemas, given: Iterable[Any] = ()
) -> list[dict[str, Any]]:
    """Return the parameters of an operation by their place; every slot has been filled.

    Args:
        given: Changes and additions, as ``parameters=`` has them.
    """
    names = facts.listed.names
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, slot in facts.paths:
        _note(found, "path", names.get(name, name), slot, required=True)
    for simple, slot in facts.simple:
        if simple.place == "path":
            _note(found, "path", names.get(simple.name, simple.name), slot, required=True)
        elif simple.place in _TEXT_PLACES and simple.name:
            schema = with_default(slot, simple.default) if _optional(simple) else slot
            _note(found, simple.place, simple.name, schema, required=not _optional(simple))
        elif simple.place in _TEXT_PLACES:
            for name, schema, required in schemas.members(slot):
                on_wire = name.replace("_", "-") if simple.place == "header" else name
                needed = required and not _optional(simple)
                _note(found, simple.place, on_wire, schema, required=needed)
    for one in given:
        written = one.written() if isinstance(one, Word) else dict(one)
        key = (written.get("in", ""), written.get("name", written.get("$ref", "")))
        found[key] = {**found.get(key, {}), **written}
    order = {place: number for number, place in enumerate(_TEXT_PLACES)}
    return sorted(found.values(), key=lambda one: order.get(one.get("in", ""), len(order)))


def _note(
    found: dict[tuple[str, str], dict[str, Any]],
    place: str,
    name: str,
    schema: Mapping[str, Any],
    *,
    required: bool,
) -> None:
    if place == "header" and name.lower() in _SAID_OTHERWISE:
        return
    schema = without_null(schema)
    known = found.get((place, name))
    written: dict[str, Any] = {"name": name, "in": place, "required": required}
    if "description" in schema and "$ref" not in schema:
        written["description"] = schema.pop("description")
    if schema.pop("deprecated", False):
        written["deprecated"] = True
    written["schema"] = schema
    if known is not None:
        # Two of them read the same field: one that needs it makes it required for both.
        written["required"] = required or known["required"]
        if place == "path" and known["schema"].get("type") == schema.get("type"):
            written["schema"] = {**known["schema"], **schema}
    found[place, name] = written


def _optional(simple: Simple | BodyPart) -> bool:
    return simple.default is not MISSING


def _request_body(facts: Facts, schemas: Schemas, media: str | None) -> dict[str, Any] | None:
    parts, form = facts.parts, [one for one in facts.simple if one[0].place not in _TEXT_PLACES]
    if form:
        return _form(form, schemas, media)
    if not parts:
        if not facts.streams:
            return None
        return {"content": {media or "application/octet-stream": {}}, "required": True}
    if not parts[0][0].embed:
        part, slot = parts[0]
        return _body({media or JSON: slot}, required=not _optional(part))
    schema = _object({part.name: (part, slot) for part, slot in parts})
    return _body({media or JSON: schema}, required=bool(schema.get("required")))


def _form(
    fields: Sequence[tuple[Simple, Slot]], schemas: Schemas, media: str | None
) -> dict[str, Any]:
    files = any(schemas.holds_file(slot) for _, slot in fields)
    if len(fields) == 1 and not fields[0][0].name:
        simple, schema = fields[0]
        required = not _optional(simple)
    else:
        schema = _object({simple.name: (simple, slot) for simple, slot in fields})
        required = bool(schema.get("required"))
    kinds = (media,) if media else (_MULTIPART,) if files else (_URLENCODED, _MULTIPART)
    return _body(dict.fromkeys(kinds, schema), required=required)


def _object(members: Mapping[str, tuple[Simple | BodyPart, Slot]]) -> Slot:
    required = [name for name, (one, _) in members.items() if not _optional(one)]
    schema: Slot = {
        "type": "object",
        "properties": {
            name: with_default(slot, one.default) if _optional(one) else slot
            for name, (one, slot) in members.items()
        },
    }
    return {**schema, "required": required} if required else schema


def _body(content: Mapping[str, Slot], *, required: bool) -> dict[str, Any]:
    written = {media: {"schema": schema} for media, schema in content.items()}
    return {"content": written, "required": required}


def _responses(facts: Facts, *, has_body: bool) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for answer, slot in facts.answers:
        known = written.setdefault(answer.status, {"description": _phrase(answer.status)})
        if answer.location:
            known["headers"] = {"Location": {"schema": {"type": "string"}}}
        if answer.media is not None:
            known.setdefault("content", {})[answer.media] = {"schema": slot} if slot else {}
    for status in _problem_statuses(facts, has_body=has_body):
        content = {PROBLEM: {"schema": facts.problem}}
        written.setdefault(status, {"description": _phrase(status), "content": content})
    for status, (value, asked) in facts.extra.items():
        written[status] = _said(status, value, asked, written.get(status))
    told = any(status[0] in "23" and status.isdecimal() for status in facts.extra)
    # Somebody knows better than an annotation that said nothing.
    if told and written.get(SUCCESS, {}).keys() == {"description"}:
        del written[SUCCESS]
    return {status: written[status] for status in sorted(written)}


def _problem_statuses(facts: Facts, *, has_body: bool) -> set[str]:
    """Return what is answered before the handler is asked, and whatever else may go wrong."""
    statuses = {"default"}
    queries = any(simple.place == "query" for simple, _ in facts.simple)
    if facts.simple or facts.parts:
        statuses.add("422")
    if queries or facts.parts:
        statuses.add("400")
    if has_body:
        statuses |= {"400", "408", "413"}
    if has_body and not facts.streams:
        statuses.add("415")
    if facts.listed.unit.guards:
        statuses |= {"401", "403"}
    if facts.paths:
        statuses.add("404")
    return statuses


def _asked(value: Any, schemas: Schemas) -> Slot | None:
    """Return the slot of the type that one entry of ``responses=`` names, if it names one."""
    model = value.get("model") if isinstance(value, Mapping) else value
    if model is None or isinstance(model, (str, Word)):
        return None
    of_problem = isinstance(model, type) and issubclass(model, Problem)
    return schemas.ask(model, "validation" if of_problem else "serialization")


def _said(status: str, value: Any, slot: Slot | None, known: Any) -> dict[str, Any]:
    """Return one answer as ``responses=`` says it: a text, a type, or an object of the format."""
    plain = {"description": _phrase(status)}
    if isinstance(value, Word):
        return {**plain, **value.written()}
    if isinstance(value, str):
        return {**(known or {}), "description": value}
    model = value.get("model") if isinstance(value, Mapping) else value
    of_problem = isinstance(model, type) and issubclass(model, Problem)
    media = PROBLEM if of_problem else JSON
    content = {} if slot is None else {"content": {media: {"schema": slot}}}
    if isinstance(value, Mapping):
        own = {name: part for name, part in value.items() if name != "model"}
        return {**plain, **content, **own}
    return {**plain, **content}


def _phrase(status: str) -> str:
    if status.isdecimal():
        return phrase(int(status))
    return _SOME.get(status[0], "Server error" if status[0] == "5" else "Any other problem")
