"""What people add to the document of an application by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Written = dict[str, Any]  # one object of the format, as JSON has it
Requirement = Mapping[str, Sequence[str]]
"""Names of security schemes with their scopes; all of them have to be met."""


class Word(Protocol):
    """An object of nexios.adapters.openapi.models.

    The models themselves are loaded by who uses them: they would be a tenth of the time an
    application takes to start.
    """

    def written(self) -> Written:
        """Return it as the document has it."""


class Modelled(Protocol):
    """What has a schema of its own: a model of pydantic, which is loaded by who uses one."""

    @classmethod
    def model_json_schema(cls, *, ref_template: str) -> Written:
        """Return the schema; other models in it stand at ``ref_template``."""


Given = Word | Mapping[str, Any]
"""An object of the format, or what it would be as JSON."""


class OpenAPIConfig:
    """How the interface calls itself, and the parts no route can say. ``app.docs`` is one.

    Objects are given as the models of the format, or as the mappings that JSON has.
    What is added counts until the document is first asked for; routes win where both speak.

    Attributes:
        info: Title, version and kin.
        components: Kind (``securitySchemes``, ``schemas``, ...) to name to object.
        tags: In the order of adding; those of routes alone come behind, by name.
    """

    def __init__(
        self,
        title: str = "API Documentation",
        version: str = "1.0.0",
        description: str | None = "",
        servers: Sequence[Given] | None = None,
        contact: Given | None = None,
        license: Given | None = None,
        termsOfService: str | None = None,  # noqa: N803  # the format's own spelling
    ) -> None:
        named = {
            "title": title,
            "version": version,
            "description": description or None,
            "termsOfService": termsOfService,
            "contact": _written(contact),
            "license": _written(license),
        }
        self.info: Written = {name: value for name, value in named.items() if value is not None}
        self.servers: list[Written] = [_written(server) for server in servers or ()]
        self.components: dict[str, dict[str, Any]] = {}
        self.tags: list[Written] = []
        self.external_docs: Written | None = None
        self.security: list[Requirement] | None = None

    def add_security_scheme(self, name: str, scheme: Given) -> None:
        """Add a way to prove who is calling, for ``security=`` of routes to name."""
        self._add("securitySchemes", name, _written(scheme))

    def add_schema(self, name: str, schema: type[Modelled] | Given) -> None:
        """Add a schema; of a class its own one, under this name."""
        if isinstance(schema, type):
            written = schema.model_json_schema(
                ref_template=f"#/components/schemas/{name}.{{model}}"
            )
            for inner, part in written.pop("$defs", {}).items():
                self._add("schemas", f"{name}.{inner}", part)
            self._add("schemas", name, written)
        else:
            self._add("schemas", name, _written(schema))

    def add_parameter(self, name: str, parameter: Given) -> None:
        """Add a parameter for several operations."""
        self._add("parameters", name, _written(parameter))

    def add_response(self, name: str, response: Given) -> None:
        """Add an answer for several operations."""
        self._add("responses", name, _written(response))

    def add_example(self, name: str, example: Given) -> None:
        """Add an example for several places."""
        self._add("examples", name, _written(example))

    def add_tag(self, tag: Given) -> None:
        """Describe a tag; the first of a name counts."""
        written = _written(tag)
        if all(known["name"] != written["name"] for known in self.tags):
            self.tags.append(written)

    def add_server(self, server: Given) -> None:
        """Add a place where the interface is served."""
        self.servers.append(_written(server))

    def set_external_docs(self, external_docs: Given) -> None:
        """Point to a page elsewhere."""
        self.external_docs = _written(external_docs)

    def set_global_security(self, security: Sequence[Requirement]) -> None:
        """Say what every operation asks for that says nothing itself; any one of these."""
        self.security = list(security)

    def get_schema_ref(self, name: str) -> str:
        """Return the reference to a schema."""
        return f"#/components/schemas/{name}"

    def get_parameter_ref(self, name: str) -> str:
        """Return the reference to a parameter."""
        return f"#/components/parameters/{name}"

    def get_response_ref(self, name: str) -> str:
        """Return the reference to an answer."""
        return f"#/components/responses/{name}"

    def get_example_ref(self, name: str) -> str:
        """Return the reference to an example."""
        return f"#/components/examples/{name}"

    def _add(self, kind: str, name: str, written: Written) -> None:
        self.components.setdefault(kind, {})[name] = written


class Drawn(Protocol):
    """What draws the documents of an application that is wired."""

    def document(self) -> Written:
        """Return the OpenAPI document."""

    def channels(self) -> Written:
        """Return the AsyncAPI document."""

    def untyped(self) -> list[tuple[str, str, list[str]]]:
        """Return label and line of each socket that does not say all, and what it does not."""


class Docs(OpenAPIConfig):
    """The documentation of one application: ``app.docs``."""

    def __init__(self, wired: Callable[[], Drawn], **info: Any) -> None:
        """Note where the document comes from; ``info`` is what `OpenAPIConfig` takes."""
        super().__init__(**info)
        self._wired = wired

    def document(self) -> Written:
        """Return the OpenAPI document as it is served; the first who asks causes the build.

        Raises:
            Exception: The application is not wired well; everything that is wrong.
        """
        return self._wired().document()

    def channels(self) -> Written:
        """Return the AsyncAPI document as it is served: sockets, event streams, events.

        Raises:
            Exception: The application is not wired well; everything that is wrong.
        """
        return self._wired().channels()

    def untyped(self) -> list[tuple[str, str, list[str]]]:
        """Return what sockets leave open, so that the AsyncAPI document shows ``{}``.

        Label, line and what is missing; `nexios check` prints it.
        """
        return self._wired().untyped()


def docs_of(app: Any, wired: Callable[[], Drawn]) -> Docs:
    """Return the documentation of an application, named as it and its configuration say."""
    settings = app.config.openapi
    named = settings.license
    return Docs(
        wired,
        title=app.title,
        version=app.version,
        description=app.description,
        contact=settings.contact,
        license={"name": named} if isinstance(named, str) else named,
    )


def _written(given: Given | None) -> Any:
    return dict(given) if isinstance(given, Mapping) else given and given.written()
