"""The words of the format: OpenAPI 3.1's objects, for people who add to the document."""

from typing import Annotated, Any, Literal

from pydantic import Field

from nexios.adapters.openapi.words import Word


class Contact(Word):
    """Who answers questions about the interface."""

    name: str | None = None
    url: str | None = None
    email: str | None = None


class License(Word):
    """Under which terms it may be used."""

    name: str
    identifier: str | None = None
    url: str | None = None


class Info(Word):
    """How the interface calls itself."""

    title: str
    version: str
    summary: str | None = None
    description: str | None = None
    termsOfService: str | None = None  # noqa: N815  # the format's own spelling, here and below
    contact: Contact | None = None
    license: License | None = None


class ServerVariable(Word):
    """One variable in the address of a server."""

    default: str
    enum: list[str] | None = None
    description: str | None = None


class Server(Word):
    """Where the interface is served; a relative address is one of the same host."""

    url: str
    description: str | None = None
    variables: dict[str, ServerVariable] | None = None


class Reference(Word):
    """A pointer to something under ``components``."""

    ref: Annotated[str, Field(alias="$ref")]
    summary: str | None = None
    description: str | None = None


class ExternalDocumentation(Word):
    """A page elsewhere."""

    url: str
    description: str | None = None


class Discriminator(Word):
    """Which member tells the alternatives of a schema apart."""

    propertyName: str  # noqa: N815
    mapping: dict[str, str] | None = None


class XML(Word):
    """How a schema looks as XML."""

    name: str | None = None
    namespace: str | None = None
    prefix: str | None = None
    attribute: bool | None = None
    wrapped: bool | None = None


class Schema(Word):
    """A JSON schema (2020-12). Keywords that are not listed here are kept as they are given."""

    ref: Annotated[str | None, Field(alias="$ref")] = None
    title: str | None = None
    type: str | list[str] | None = None
    format: str | None = None
    description: str | None = None
    default: Any = None
    enum: list[Any] | None = None
    pattern: str | None = None
    items: "Schema | Reference | None" = None
    properties: dict[str, "Schema | Reference"] | None = None
    required: list[str] | None = None
    additionalProperties: "Schema | Reference | bool | None" = None  # noqa: N815
    allOf: list["Schema | Reference"] | None = None  # noqa: N815
    anyOf: list["Schema | Reference"] | None = None  # noqa: N815
    oneOf: list["Schema | Reference"] | None = None  # noqa: N815
    not_: Annotated["Schema | Reference | None", Field(alias="not")] = None
    discriminator: Discriminator | None = None
    xml: XML | None = None
    externalDocs: ExternalDocumentation | None = None  # noqa: N815
    deprecated: bool | None = None
    examples: list[Any] | None = None


class Example(Word):
    """One example, inside the document or at an address."""

    summary: str | None = None
    description: str | None = None
    value: Any = None
    external_value: Annotated[str | None, Field(alias="externalValue")] = None


class Encoding(Word):
    """How one part of a form is sent."""

    contentType: str | None = None  # noqa: N815
    headers: dict[str, "ResponseHeader | Reference"] | None = None
    style: str | None = None
    explode: bool | None = None


class MediaType(Word):
    """A body of one content type."""

    schema_: Annotated[Schema | Reference | None, Field(alias="schema")] = None
    example: Any = None
    examples: dict[str, Example | Reference] | None = None
    encoding: dict[str, Encoding] | None = None


class ConcreteParameter(Word):
    """What the parameters of all four places have in common."""

    name: str
    in_: Annotated[Literal["header", "path", "query", "cookie"], Field(alias="in")]
    description: str | None = None
    required: bool | None = None
    deprecated: bool | None = None
    style: str | None = None
    explode: bool | None = None
    schema_: Annotated[Schema | Reference | None, Field(alias="schema")] = None
    example: Any = None
    examples: dict[str, Example | Reference] | None = None
    content: dict[str, MediaType] | None = None


class Header(ConcreteParameter):
    """A header field of requests."""

    in_: Annotated[Literal["header"], Field(alias="in")] = "header"


class Query(ConcreteParameter):
    """A field of the query."""

    in_: Annotated[Literal["query"], Field(alias="in")] = "query"


class Path(ConcreteParameter):
    """A value of the path."""

    in_: Annotated[Literal["path"], Field(alias="in")] = "path"
    required: Literal[True] = True


class Cookie(ConcreteParameter):
    """A cookie."""

    in_: Annotated[Literal["cookie"], Field(alias="in")] = "cookie"


Parameter = Query | Header | Cookie | Path


class RequestBody(Word):
    """What may be sent, by content type."""

    content: dict[str, MediaType]
    description: str | None = None
    required: bool | None = None


class Link(Word):
    """How the values of an answer lead to another operation."""

    operationRef: str | None = None  # noqa: N815
    operationId: str | None = None  # noqa: N815
    parameters: dict[str, Any] | None = None
    requestBody: Any = None  # noqa: N815
    description: str | None = None
    server: Server | None = None


class ResponseHeader(Word):
    """A header field of answers."""

    description: str | None = None
    required: bool | None = None
    deprecated: bool | None = None
    schema_: Annotated[Schema | Reference | None, Field(alias="schema")] = None
    examples: dict[str, Example | Reference] | None = None


class Response(Word):
    """One answer, by status."""

    description: str
    headers: dict[str, ResponseHeader | Reference] | None = None
    content: dict[str, MediaType] | None = None
    links: dict[str, Link | Reference] | None = None


class SecurityBase(Word):
    """What the security schemes have in common."""

    type: Literal["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"]
    description: str | None = None


class APIKey(SecurityBase):
    """A key in a header, the query or a cookie."""

    name: str
    in_: Annotated[Literal["query", "header", "cookie"], Field(alias="in")]
    type: Literal["apiKey"] = "apiKey"


class HTTPBase(SecurityBase):
    """A scheme of ``Authorization`` (RFC 9110, 11)."""

    scheme: str
    type: Literal["http"] = "http"


class HTTPBasic(HTTPBase):
    """Name and password (RFC 7617)."""

    scheme: Literal["basic"] = "basic"


class HTTPBearer(HTTPBase):
    """A bearer token (RFC 6750)."""

    scheme: Literal["bearer"] = "bearer"
    bearerFormat: str | None = None  # noqa: N815


class OAuthFlow(Word):
    """One way to get a token (RFC 6749); ``scopes`` are names and what they allow."""

    refreshUrl: str | None = None  # noqa: N815
    scopes: dict[str, str] = Field(default_factory=dict)


class OAuthFlowImplicit(OAuthFlow):
    """The implicit flow; RFC 9700 advises against it."""

    authorizationUrl: str  # noqa: N815


class OAuthFlowPassword(OAuthFlow):
    """The password flow; RFC 9700 advises against it."""

    tokenUrl: str  # noqa: N815


class OAuthFlowClientCredentials(OAuthFlow):
    """For programs that act for themselves."""

    tokenUrl: str  # noqa: N815


class OAuthFlowAuthorizationCode(OAuthFlow):
    """For people, by a code."""

    authorizationUrl: str  # noqa: N815
    tokenUrl: str  # noqa: N815


class OAuthFlows(Word):
    """The flows an authorization server offers."""

    implicit: OAuthFlowImplicit | None = None
    password: OAuthFlowPassword | None = None
    clientCredentials: OAuthFlowClientCredentials | None = None  # noqa: N815
    authorizationCode: OAuthFlowAuthorizationCode | None = None  # noqa: N815


class OAuth2(SecurityBase):
    """Tokens of an OAuth 2 authorization server."""

    flows: OAuthFlows
    type: Literal["oauth2"] = "oauth2"


class OpenIdConnect(SecurityBase):
    """Tokens of an OpenID provider, found at its discovery address."""

    openIdConnectUrl: str  # noqa: N815
    type: Literal["openIdConnect"] = "openIdConnect"


SecurityScheme = APIKey | HTTPBase | OAuth2 | OpenIdConnect


class Tag(Word):
    """A group of operations."""

    name: str
    description: str | None = None
    externalDocs: ExternalDocumentation | None = None  # noqa: N815
