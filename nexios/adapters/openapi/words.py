"""What every object of the format is, and the one that is part of every document: a problem."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Word(BaseModel):
    """Base of the objects. Unknown members are kept: extensions (``x-...``) and newer words."""

    # Built when first used: most applications never name one of these.
    model_config = ConfigDict(extra="allow", populate_by_name=True, defer_build=True)

    def written(self) -> dict[str, Any]:
        """Return it as the document has it: names of the format, nothing that was not said."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _as_sent(schema: dict[str, Any]) -> None:
    """Say of members without a value what is so: they are left out, never null."""
    for member in schema["properties"].values():
        alternatives = member.pop("anyOf", ())
        member.pop("default", None)
        for one in alternatives:
            if one != {"type": "null"}:
                member.update(one)


class FieldProblem(Word):
    """One field that is not valid, or one of several problems of a request."""

    model_config = ConfigDict(json_schema_extra=_as_sent)

    in_: Annotated[
        Literal["path", "query", "header", "cookie", "form", "body"] | None, Field(alias="in")
    ] = None
    name: str | None = None
    pointer: str | None = Field(None, description="A JSON pointer as URI fragment (RFC 6901, 6).")
    code: str | None = None
    detail: str | None = None


class Problem(Word):
    """What an error is answered with (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra=_as_sent)

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    request_id: str | None = None
    error_id: str | None = None
    errors: list[FieldProblem] | None = None
