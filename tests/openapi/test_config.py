"""What people add by hand, and how callers are asked to prove themselves."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from nexios import Controller, MakeConfig, NexiosApp, get
from nexios.adapters.openapi.document import UnknownSecurityScheme
from nexios.adapters.openapi.models import (
    APIKey,
    Contact,
    Cookie,
    Example,
    ExternalDocumentation,
    Header,
    HTTPBasic,
    HTTPBearer,
    License,
    MediaType,
    OAuth2,
    OAuthFlowAuthorizationCode,
    OAuthFlows,
    OpenIdConnect,
    Query,
    Response,
    ResponseHeader,
    Schema,
    Server,
    ServerVariable,
    Tag,
)
from nexios.adapters.openapi.models import Path as PathParameter
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth, has_permission
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.http import Problem

ROOT = Path(__file__).parents[2]
SECRET = "a secret of more than thirty-two bytes"


async def nothing() -> None: ...


def drawn(app: NexiosApp) -> dict[str, Any]:
    document = app.docs.document()
    OpenAPIV31SpecValidator(document).validate()
    return document


class Part(BaseModel):
    n: int


class Whole(BaseModel):
    parts: list[Part]


def test_everything_that_is_added_stands_in_the_document() -> None:
    app = NexiosApp()
    docs = app.docs
    docs.add_security_scheme("key", APIKey(name="x-key", in_="header"))
    docs.add_schema("Whole", Whole)
    docs.add_schema("Name", Schema(type="string", minLength=2))
    docs.add_parameter("page", Query(name="page", schema_=Schema(type="integer")))
    docs.add_response(
        "Gone",
        Response(
            description="Gone.",
            headers={"x-since": ResponseHeader(schema_=Schema(type="string"))},
            content={"text/plain": MediaType(schema_=Schema(type="string"))},
        ),
    )
    docs.add_example("one", Example(summary="One", value={"n": 1}))
    docs.add_tag(Tag(name="late", description="Comes last."))
    docs.add_tag(Tag(name="late", description="Not this."))
    docs.add_server(
        Server(url="https://{at}.example", variables={"at": ServerVariable(default="eu")})
    )
    docs.set_external_docs(ExternalDocumentation(url="https://docs.example"))
    docs.set_global_security([{"key": []}])

    @app.get(
        "/a",
        tags=["early"],
        parameters=[{"$ref": docs.get_parameter_ref("page")}],
        responses={410: {"$ref": docs.get_response_ref("Gone")}},
    )
    async def handler() -> None: ...

    document = drawn(app)

    assert document["servers"][0]["variables"] == {"at": {"default": "eu"}}
    assert document["externalDocs"] == {"url": "https://docs.example"}
    assert document["security"] == [{"key": []}]
    assert [tag["name"] for tag in document["tags"]] == ["late", "early"]
    assert document["tags"][0]["description"] == "Comes last."
    components = document["components"]
    assert components["securitySchemes"] == {
        "key": {"type": "apiKey", "in": "header", "name": "x-key"}
    }
    assert components["schemas"]["Name"] == {"type": "string", "minLength": 2}
    items = components["schemas"]["Whole"]["properties"]["parts"]["items"]
    assert items["$ref"].removeprefix("#/components/schemas/") in components["schemas"]
    assert components["examples"]["one"]["value"] == {"n": 1}
    operation = document["paths"]["/a"]["get"]
    assert operation["parameters"] == [{"$ref": "#/components/parameters/page"}]
    assert operation["responses"]["410"]["$ref"] == "#/components/responses/Gone"


def test_the_section_says_how_the_interface_calls_itself() -> None:
    app = NexiosApp(
        config=MakeConfig(
            openapi={
                "title": "Tea",
                "version": "2.0",
                "description": "Sells tea.",
                "license": "BSD-3-Clause",
                "contact": {"name": "Ada", "email": "ada@example.org"},
            }
        )
    )

    assert drawn(app)["info"] == {
        "title": "Tea",
        "version": "2.0",
        "description": "Sells tea.",
        "license": {"name": "BSD-3-Clause"},
        "contact": {"name": "Ada", "email": "ada@example.org"},
    }


def test_models_take_the_names_of_the_format_and_keep_what_they_do_not_know() -> None:
    written = [
        PathParameter(name="a", schema_=Schema(type="string")),
        Header(name="b", deprecated=True),
        Cookie(name="c", **{"x-own": 1}),
        License(name="MIT", identifier="MIT"),
        Contact(url="https://example.org"),
        Schema(ref="#/components/schemas/A"),
        Schema(not_=Schema(const=1), **{"if": {"type": "null"}}),
        HTTPBasic(),
        HTTPBearer(bearerFormat="JWT"),
        OpenIdConnect(openIdConnectUrl="https://id.example/.well-known/openid-configuration"),
        OAuth2(
            flows=OAuthFlows(
                authorizationCode=OAuthFlowAuthorizationCode(
                    authorizationUrl="https://id.example/a",
                    tokenUrl="https://id.example/t",
                    scopes={"read": "See it."},
                )
            )
        ),
    ]

    assert [one.written() for one in written] == [
        {"name": "a", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "b", "in": "header", "deprecated": True},
        {"name": "c", "in": "cookie", "x-own": 1},
        {"name": "MIT", "identifier": "MIT"},
        {"url": "https://example.org"},
        {"$ref": "#/components/schemas/A"},
        {"not": {"const": 1}, "if": {"type": "null"}},
        {"type": "http", "scheme": "basic"},
        {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        {
            "type": "openIdConnect",
            "openIdConnectUrl": "https://id.example/.well-known/openid-configuration",
        },
        {
            "type": "oauth2",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": "https://id.example/a",
                    "tokenUrl": "https://id.example/t",
                    "scopes": {"read": "See it."},
                }
            },
        },
    ]


class KeyBackend:
    """2.11's kind: it says nothing of itself but the header."""

    scheme = "key"
    header_name = "X-API-Key"

    async def authenticate(self, connection: Any) -> Any:
        return None


def guarded_app() -> NexiosApp:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    app.add_middleware(AuthenticationMiddleware(backend=[JWTAuthBackend(), KeyBackend()]))
    return app


@pytest.mark.parametrize(
    ("guards", "asked"),
    [
        ([], None),
        ([auth(["jwt"])], [{"jwt": []}]),
        ([auth(["jwt", "key"])], [{"jwt": []}, {"key": []}]),
        ([auth()], [{"jwt": []}, {"key": []}]),
        ([has_permission("p")], [{"jwt": []}, {"key": []}]),
        ([auth(["jwt"]), has_permission("p")], [{"jwt": []}]),
        ([auth(["jwt"]), auth(["key"])], [{"jwt": [], "key": []}]),
    ],
)
def test_guards_become_requirements(guards: list[Any], asked: Any) -> None:
    app = guarded_app()
    app.get("/a", nothing, guards=guards)

    document = drawn(app)

    operation = document["paths"]["/a"]["get"]
    assert sorted(operation.get("security") or [], key=str) == sorted(asked or [], key=str)
    assert ({"401", "403"} <= set(operation["responses"])) is bool(guards)


def test_backends_describe_their_credentials() -> None:
    app = guarded_app()
    app.get("/a", nothing, guards=[auth()])

    assert drawn(app)["components"]["securitySchemes"] == {
        "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }


class Secured(Controller, path="/c", security=[{"token": []}]):
    @get("/own", security=[{"other": ["read"]}])
    async def own(self) -> None: ...

    @get("/open", security=[])
    async def open(self) -> None: ...

    @get("/theirs", responses={404: Problem})
    async def theirs(self) -> None: ...


def test_security_of_a_method_stands_in_for_that_of_its_class() -> None:
    app = NexiosApp()
    app.docs.add_security_scheme("token", HTTPBearer())
    app.docs.add_security_scheme("other", HTTPBearer())
    app.router.add_controller(Secured)

    paths = drawn(app)["paths"]

    assert paths["/c/own"]["get"]["security"] == [{"other": ["read"]}]
    assert paths["/c/open"]["get"]["security"] == []
    assert paths["/c/theirs"]["get"]["security"] == [{"token": []}]
    content = paths["/c/theirs"]["get"]["responses"]["404"]["content"]
    assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


def test_a_scheme_that_nothing_describes_refuses_the_start_with_the_line_to_write() -> None:
    app = NexiosApp()
    app.get("/a", nothing, security=[{"tokn": []}])

    with pytest.raises(UnknownSecurityScheme) as refused:
        app.check()

    assert 'fix: app.docs.add_security_scheme("tokn", HTTPBearer())' in str(refused.value)
    assert "test_config.py:" in str(refused.value)


def test_problems_of_the_document_are_none_where_there_is_no_document() -> None:
    app = NexiosApp(config=MakeConfig(openapi={"enabled": False}))
    app.get("/a-b", nothing, security=[{"tokn": []}])
    app.get("/a_b", nothing)

    app.check()


def test_the_pages_are_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    here = ROOT / "nexios" / "adapters" / "openapi" / "assets"

    packed = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if "/assets/" in name}

    assert packed == {file.name for file in here.iterdir()}
    assert "explorer.js" in packed


def test_the_models_are_loaded_by_who_uses_them() -> None:
    script = (
        "import json, sys; from nexios import NexiosApp; NexiosApp().check(); "
        "print(json.dumps(list(sys.modules)))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", script], cwd=ROOT))

    assert "nexios.adapters.openapi.models" not in loaded
