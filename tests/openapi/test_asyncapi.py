"""The AsyncAPI document is that of the compiled sockets: valid, stable, nothing left out."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match
from pydantic import BaseModel, Field

from examples.chat.main import make_app
from examples.shop.main import shop
from nexios import (
    Cookie,
    Depend,
    Header,
    MakeConfig,
    Module,
    NexiosApp,
    Query,
    Router,
    Scope,
    WebSocket,
    WebSocketController,
    on,
)
from nexios.adapters.http.sse import ServerSentEvent
from nexios.adapters.messaging.cloudevents import to_wire
from nexios.adapters.messaging.memory_broker import MemoryBroker
from nexios.adapters.messaging.relay import relay
from nexios.adapters.openapi.dialect import draft7
from nexios.adapters.persistence.inbox import MemoryInbox
from nexios.adapters.persistence.memory import MemoryStore, MemoryUnitOfWork
from nexios.application import ApplicationService, Envelope
from nexios.application.broker import EventBroker, Outgoing
from nexios.application.codec import dump_event
from nexios.application.from_broker import from_broker
from nexios.application.inbox import Inbox
from nexios.application.unit_of_work import UnitOfWork
from nexios.auth.backends.apikey import APIKeyAuthBackend
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.domain import DomainEvent, Identity
from nexios.testing.server import ServedLifespan
from nexios.testing.sockets import websocket_connect
from nexios.websockets import Channel
from tests.openapi.test_document import refs
from tests.support.asgi import ask

SCHEMA = Path(__file__).parent / "asyncapi" / "3.1.0.json"


class Post(BaseModel):
    """Something to be said."""

    type: Literal["post"] = "post"
    text: Annotated[str, Field(max_length=2000)]


class Leave(BaseModel):
    type: Literal["leave"]
    why: tuple[int, str] | None = None


class Posted(BaseModel):
    number: int


class Moved(BaseModel):
    kind: Literal["moved"] = "moved"
    to: str


class Closed(BaseModel):
    kind: Literal["closed"] = "closed"


orders: Channel[Annotated[Moved | Closed, Field(discriminator="kind")]] = Channel(
    "orders",
    message=Annotated[Moved | Closed, Field(discriminator="kind")],  # type: ignore[arg-type]  # a form
    presence=True,
)


class RoomsSocket(WebSocketController, path="/ws/rooms/{room:slug}", sends=orders, tags=["rooms"]):
    """Everything about one room."""

    async def on_connect(
        self,
        websocket: WebSocket,
        room: str,
        since: Annotated[int, Query(ge=0)] = 0,
        device: str = Header(),
    ) -> None: ...

    @on(Post)
    async def post(self, message: Post) -> Posted:
        """Say something.

        It is kept.
        """
        raise NotImplementedError

    @on(Leave)
    async def leave(self, message: Leave) -> None: ...


@cache
def validator() -> Any:
    return Draft7Validator(json.loads(SCHEMA.read_text()))


def check(document: dict[str, Any]) -> None:
    """Hold it against the published schema, and every reference against the document."""
    text = json.loads(json.dumps(document))
    best = best_match(validator().iter_errors(text))
    assert best is None, f"{best.json_path}: {best.message[-200:]}"
    for ref in refs(text):
        at: Any = text
        for part in ref.removeprefix("#/").split("/"):
            at = at[part]
    for operation in text["operations"].values():
        here = text["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
        for one in [*operation["messages"], *operation.get("reply", {}).get("messages", [])]:
            assert one["$ref"].rpartition("/")[2] in here["messages"]


def drawn(app: NexiosApp) -> dict[str, Any]:
    document = app.docs.channels()
    check(document)
    return document


def payloads(document: dict[str, Any], operation: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """Return title to payload of the messages of an operation or a reply."""
    given = operation["messages"] if isinstance(operation, dict) else operation
    found = {}
    for one in given:
        at: Any = document
        for part in one["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        found[at["title"]] = at["payload"]
    return found


def accepts(document: dict[str, Any], payload: dict[str, Any], value: object) -> bool:
    """Tell whether a payload of the document takes a value, by JSON Schema draft 7."""
    schema = {**payload, "components": document["components"]}
    return Draft7Validator(schema).is_valid(value)


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


EXAMPLES: dict[str, Callable[[], NexiosApp]] = {
    "chat": make_app,
    "shop": lambda: shop(MakeConfig(database_url="sqlite://")),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_asyncapi_validates_against_the_published_schema(example: str) -> None:
    document = drawn(EXAMPLES[example]())

    assert document["asyncapi"] == "3.1.0"
    assert document["channels"]


def test_the_published_schema_would_notice() -> None:
    document = drawn(make_app())
    document["channels"]["room"]["bindings"]["ws"]["bindingVersion"] = "0.2.0"

    with pytest.raises(AssertionError, match=r"channels\.room\.bindings"):
        check(document)


def test_every_typed_message_is_in_it() -> None:
    app = NexiosApp(Module("rooms").controllers(RoomsSocket))

    document = drawn(app)

    operations = document["operations"]
    assert list(operations) == ["rooms_leave", "rooms_post", "rooms_send"]
    post = operations["rooms_post"]
    assert post["action"] == "receive"
    assert (post["summary"], post["description"]) == ("Say something.", "It is kept.")
    assert payloads(document, post) == {"Post": ref("Post")}
    assert payloads(document, post["reply"]) == {"Posted": ref("Posted")}
    assert "reply" not in operations["rooms_leave"]
    assert operations["rooms_send"]["action"] == "send"
    assert set(payloads(document, operations["rooms_send"])) == {
        "Moved", "Closed", "MessageFrame", "JoinedFrame", "ResetFrame", "DroppedFrame",
        "LinkFrame", "PresenceFrame", "ErrorFrame",
    }  # fmt: skip
    room = document["channels"]["rooms"]
    assert room["address"] == "/ws/rooms/{room}"
    assert room["summary"] == "Everything about one room."
    assert room["tags"] == [{"name": "rooms"}]
    assert accepts(document, ref("Leave"), {"type": "leave", "why": [1, "late"]})
    assert not accepts(document, ref("Leave"), {"type": "leave", "why": ["late", 1]})


def test_the_handshake_is_the_binding() -> None:
    app = NexiosApp()

    async def signed_in(session: str = Cookie()) -> str:
        return session

    @app.websocket("/ws/{room:slug}/{size}", receives=str, sends=bytes, subprotocols=["chat.v2"])
    async def talk(
        websocket: WebSocket,
        room: str,
        size: Literal["small", "large"],
        who: Annotated[str, Depend(signed_in)],
        page: Annotated[int, Query(ge=1)] = 1,
        tags: Annotated[list[str] | None, Query(alias="tag")] = None,
        x_device: str = Header(),
    ) -> None: ...

    document = drawn(app)

    channel = document["channels"]["talk"]
    assert set(channel["parameters"]) == {"room", "size"}
    assert channel["parameters"]["room"]["x-schema"]["type"] == "string"
    assert "`slug`" in channel["parameters"]["room"]["description"]
    assert channel["parameters"]["size"]["enum"] == ["small", "large"]
    binding = channel["bindings"]["ws"]
    assert (binding["method"], binding["bindingVersion"]) == ("GET", "0.1.0")
    assert binding["query"]["properties"] == {
        "page": {"type": "integer", "minimum": 1, "default": 1},
        "tag": {"type": "array", "items": {"type": "string"}},
    }
    assert "required" not in binding["query"]
    headers = binding["headers"]
    assert set(headers["properties"]) == {"x-device", "cookie", "sec-websocket-protocol"}
    assert headers["required"] == ["x-device"]
    assert "`session`" in headers["properties"]["cookie"]["description"]
    assert "`chat.v2`" in headers["properties"]["sec-websocket-protocol"]["description"]
    assert payloads(document, document["operations"]["talk_receive"]) == {
        "text": {"type": "string"}
    }
    messages = channel["messages"]
    assert messages["text"]["contentType"] == "text/plain"
    assert messages["bytes"]["contentType"] == "application/octet-stream"


def test_the_subprotocol_of_channels_is_named_with_where_one_left() -> None:
    document = drawn(NexiosApp(Module("rooms").controllers(RoomsSocket)))

    binding = document["channels"]["rooms"]["bindings"]["ws"]
    offered = binding["headers"]["properties"]["sec-websocket-protocol"]["description"]
    assert "`nexios.v1`" in offered
    assert binding["query"]["properties"]["at"]["type"] == "array"
    assert binding["query"]["properties"]["since"]["minimum"] == 0
    assert binding["headers"]["required"] == ["device"]


@asynccontextmanager
async def lived(app: NexiosApp) -> AsyncIterator[None]:
    life = ServedLifespan(app)
    await life.start()
    yield
    await life.stop()


@pytest.mark.anyio
async def test_the_frames_that_go_out_are_those_of_the_document() -> None:
    chat: Channel[Posted] = Channel("numbers", message=Posted, presence=True)
    app = NexiosApp()

    @app.websocket("/numbers", receives=Post, sends=chat)
    async def numbers(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await chat.broadcast(Posted(number=7))
        await websocket.receive_as(Post)

    document = drawn(app)
    by_type = {}
    for name, one in document["components"]["schemas"].items():
        if name.endswith("Frame") or name.startswith("MessageFrame"):
            by_type[one["properties"]["type"]["const"]] = ref(name)
    assert set(by_type) == {
        "joined", "message", "reset", "dropped", "link", "presence", "error",
    }  # fmt: skip
    async with (
        lived(app),
        websocket_connect(app, "/numbers", subprotocols=["nexios.v1"]) as peer,
    ):
        seen = set()
        await peer.send_json({"type": "post"})
        while seen != {"joined", "message", "error", "presence"}:
            frame = await peer.receive_json()
            seen.add(frame["type"])
            assert accepts(document, by_type[frame["type"]], frame), frame
            assert not accepts(document, by_type["link"], frame)


def test_nothing_depends_on_the_order_of_registration() -> None:
    class Alpha(WebSocketController, path="/a", sends=()):
        async def on_message(self, message: Post) -> Posted:
            raise NotImplementedError

    class Beta(WebSocketController, path="/b", sends=()):
        async def on_message(self, message: Leave) -> Posted:
            raise NotImplementedError

    texts = set()
    for order in permutations((Alpha, Beta, RoomsSocket)):
        app = NexiosApp(Module("rooms").controllers(*order))
        texts.add(json.dumps(drawn(app)))
        texts.add(app._built().documentation.encoded("", "asyncapi")[0].decode())
    assert len({json.dumps(json.loads(text)) for text in texts}) == 1


def test_what_is_excluded_stays_out() -> None:
    app, hidden = NexiosApp(), Router("/hidden", exclude_from_schema=True)

    async def handler(websocket: WebSocket) -> None: ...

    class Secret(WebSocketController, path="/secret", exclude_from_schema=True):
        async def on_message(self, message: Leave) -> None: ...

    app.websocket("/own", exclude_from_schema=True)(handler)
    app.websocket("/shown", name="shown")(handler)
    hidden.websocket("/inner")(handler)
    hidden.websocket("/back", name="back", exclude_from_schema=False)(handler)
    app.mount_router(hidden)
    app.include(Module("secrets").controllers(Secret))

    document = drawn(app)

    assert sorted(one["address"] for one in document["channels"].values()) == [
        "/hidden/back",
        "/shown",
    ]
    assert "Leave" not in json.dumps(document)


def test_sockets_of_one_name_are_told_apart_by_their_paths() -> None:
    app = NexiosApp()
    for path in ("/rooms/{room}", "/people/{name}", "/rooms-room/x"):

        @app.websocket(path, sends=())
        async def feed(websocket: WebSocket) -> None: ...

    document = drawn(app)

    assert list(document["channels"]) == ["people_by_name", "rooms_by_room", "rooms_room_x"]


def test_a_method_may_be_called_as_an_operation_of_ours() -> None:
    class Mail(WebSocketController, path="/mail", sends=()):
        @on(Post)
        async def send(self, message: Post) -> None: ...

    operations = drawn(NexiosApp(Module("mail").controllers(Mail)))["operations"]

    assert {name: one["action"] for name, one in operations.items()} == {
        "mail_send": "receive",
        "mail_send_2": "send",
    }


def test_untyped_parts_say_so() -> None:
    app, loose = NexiosApp(), Channel[Any]("loose")

    @app.websocket("/open")
    async def anything(websocket: WebSocket) -> None: ...

    @app.websocket("/half", receives=Post, sends=loose)
    async def half(websocket: WebSocket) -> None: ...

    @app.websocket("/told", receives=Post, sends=())
    async def told(websocket: WebSocket) -> None: ...

    document = drawn(app)

    operations = document["operations"]
    assert payloads(document, operations["anything_receive"]) == {"anything": {}}
    assert payloads(document, operations["anything_send"])["anything"] == {}
    assert payloads(document, operations["half_send"])["anything"] == {}
    assert set(payloads(document, operations["told_send"])) == {"ErrorFrame"}
    found = {label: parts for label, _, parts in app.docs.untyped()}
    assert set(found) == {"WEBSOCKET /open", "WEBSOCKET /half"}
    assert len(found["WEBSOCKET /open"]) == 2
    assert "Channel(message=)" in found["WEBSOCKET /half"][0]
    assert all(__file__ in where for _, where, _ in app.docs.untyped())


def test_guards_are_security_schemes_by_the_table_of_openapi() -> None:
    app = NexiosApp(config=MakeConfig(secret_key="a secret of more than thirty-two bytes"))

    async def load_key(key: str) -> str | None:
        return key or None

    app.add_middleware(
        AuthenticationMiddleware(backend=[JWTAuthBackend(), APIKeyAuthBackend(load_key)])
    )

    @app.websocket("/both", guards=[auth(["jwt"]), auth(["apikey"])], receives=str, sends=())
    async def both(websocket: WebSocket) -> None: ...

    @app.websocket(
        "/first", guards=[auth(["jwt"])], authenticate="first-message", receives=str, sends=()
    )
    async def first(websocket: WebSocket) -> None: ...

    document = drawn(app)

    schemes = document["components"]["securitySchemes"]
    assert schemes["jwt"]["scheme"] == "bearer"
    assert schemes["apikey"]["type"] == "httpApiKey"
    known = {name: {"$ref": f"#/components/securitySchemes/{name}"} for name in schemes}
    assert document["operations"]["first_receive"]["security"] == [known["jwt"]]
    assert document["operations"]["both_receive"]["security"] == [known["apikey"], known["jwt"]]
    assert "`apikey` and `jwt`" in document["channels"]["both"]["description"]
    auth_ = payloads(document, document["operations"]["first_auth"])["AuthFrame"]
    assert accepts(document, auth_, {"type": "auth", "token": "x"})


class OrderId(Identity): ...


class OrderPlaced(DomainEvent, name="shop.order-placed", version=2):
    """Somebody wants something."""

    order_id: OrderId
    total: Decimal
    at: datetime
    lines: tuple[str, ...] = ()


class InvoicePaid(DomainEvent, name="books.paid"):
    number: UUID


class Books(ApplicationService):
    @from_broker("billing.invoice-paid", version=1, consumer="books")
    async def paid(self, event: InvoicePaid, envelope: Envelope) -> None: ...


def test_events_of_other_services_are_channels_of_the_broker() -> None:
    module = Module("shop")
    module.bind(relay(OrderPlaced))
    module.bind(relay(OrderPlaced, name="again"))
    module.bind(Books)
    module.bind(MemoryStore, scope=Scope.SINGLETON)
    module.bind(MemoryUnitOfWork)
    module.bind(UnitOfWork).alias(MemoryUnitOfWork)
    module.bind(Inbox, scope=Scope.REQUEST).to(MemoryInbox)
    module.bind(EventBroker).value(MemoryBroker())

    document = drawn(NexiosApp(module))

    assert document["servers"] == {
        "broker": {
            "host": "{host}",
            "protocol": "memory",
            "description": "Events as CloudEvents 1.0 in binary mode.",
            "variables": {"host": {"description": "Where the services of this application meet."}},
        }
    }
    assert {name: one["action"] for name, one in document["operations"].items()} == {
        "shop_order_placed_send": "send",
        "books": "receive",
    }
    channel = document["channels"]["shop_order_placed"]
    assert channel["address"] == "shop.order-placed"
    assert document["channels"]["billing_invoice_paid"]["address"] == "billing.invoice-paid"
    (message,) = channel["messages"].values()
    event = OrderPlaced(
        order_id=OrderId.new(), total=Decimal("1.50"), at=datetime.now(UTC), lines=("a", "b")
    )
    assert accepts(document, message["payload"], dump_event(event))
    told = Outgoing(uuid4(), "shop.order-placed", 2, "key", event.at, dump_event(event))
    headers, _ = to_wire(told, "/shop")
    assert accepts(document, message["headers"], headers)
    assert not accepts(document, message["headers"], {**headers, "ce-eventversion": "1"})
    assert not accepts(document, message["headers"], {**headers, "ce-type": "other"})


def streaming() -> NexiosApp:
    app = NexiosApp()

    @app.get("/jobs/{job:uuid}/progress")
    async def progress(
        job: UUID, after: Annotated[int, Query(ge=0)] = 0
    ) -> AsyncIterator[ServerSentEvent[Posted]]:
        """How far a job is."""
        yield ServerSentEvent(Posted(number=1))

    return app


def test_event_streams_are_channels_with_the_binding_of_http() -> None:
    app = streaming()

    document = drawn(app)

    (channel,) = document["channels"].values()
    assert channel["address"] == "/jobs/{job}/progress"
    assert channel["parameters"]["job"]["x-schema"]["format"] == "uuid"
    assert document["servers"]["http"]["protocol"] == "http"
    (operation,) = document["operations"].values()
    assert operation["action"] == "send"
    assert operation["bindings"]["http"] == {
        "method": "GET",
        "query": {
            "type": "object",
            "properties": {"after": {"type": "integer", "minimum": 0, "default": 0}},
        },
        "bindingVersion": "0.3.0",
    }
    assert payloads(document, operation) == {"event": ref("Posted")}
    answers = app.docs.document()["paths"]["/jobs/{job}/progress"]["get"]["responses"]
    assert answers["200"]["content"] == {"text/event-stream": {"schema": ref("Posted")}}


def test_a_model_has_one_name_in_both_documents() -> None:
    class Part(BaseModel):
        weight: Decimal = Decimal(1)

    app = NexiosApp()

    @app.get("/parts")
    async def parts() -> list[Part]:
        return []

    @app.websocket("/parts", receives=Part, sends=())
    async def take(websocket: WebSocket) -> None: ...

    openapi, asyncapi = app.docs.document()["components"], drawn(app)["components"]

    assert "Part-Input" in asyncapi["schemas"]
    assert "Part-Output" in openapi["schemas"]
    assert "Part-Input" not in openapi["schemas"]
    apart = NexiosApp(config=MakeConfig(openapi={"asyncapi_url": None}))
    apart.get("/parts")(parts)
    apart.websocket("/parts", receives=Part)(take)
    assert "Part" in apart.docs.document()["components"]["schemas"]


@pytest.mark.anyio
async def test_it_is_served_with_a_tag_and_switched_off_by_none() -> None:
    app = NexiosApp(Module("rooms").controllers(RoomsSocket))

    async with lived(app):
        answer = await ask(app, "GET", "/asyncapi.json")
        tag = answer.header("etag") or ""
        again = await ask(app, "GET", "/asyncapi.json", headers=[("if-none-match", tag)])
        page = await ask(app, "GET", "/asyncapi")

    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.json() == json.loads(json.dumps(drawn(app)))
    assert (again.status, page.status) == (304, 200)
    for off in ({"asyncapi_url": None}, {"openapi_url": None}, {"enabled": False}):
        without = NexiosApp(
            Module("rooms").controllers(RoomsSocket), config=MakeConfig(openapi=off)
        )
        async with lived(without):
            assert (await ask(without, "GET", "/asyncapi.json")).status == 404
            assert (await ask(without, "GET", "/asyncapi")).status == 404


def test_servers_are_those_of_openapi_in_the_words_of_sockets() -> None:
    app = NexiosApp(Module("rooms").controllers(RoomsSocket), title="Rooms", version="3")
    app.docs.add_server({"url": "https://api.example.org/v1/", "description": "The real one."})
    app.docs.add_server({"url": "http://localhost:8000"})
    app.docs.set_external_docs({"url": "https://example.org/help"})

    document = drawn(app)

    assert document["info"]["title"] == "Rooms"
    assert document["info"]["externalDocs"] == {"url": "https://example.org/help"}
    assert document["servers"] == {
        "sockets": {
            "host": "api.example.org",
            "pathname": "/v1",
            "description": "The real one.",
            "protocol": "wss",
        },
        "sockets_2": {"host": "localhost:8000", "protocol": "ws"},
    }
    served = [{"$ref": "#/servers/sockets"}, {"$ref": "#/servers/sockets_2"}]
    assert document["channels"]["rooms"]["servers"] == served
    below = NexiosApp(Module("rooms").controllers(RoomsSocket))
    below.check()
    placed = below._built().documentation.channels("/base")
    assert placed["servers"]["sockets"]["pathname"] == "/base"


def test_licence_and_schemes_keep_to_the_words_of_the_format() -> None:
    app = NexiosApp(config=MakeConfig(openapi={"license": {"name": "MIT", "identifier": "MIT"}}))
    flows = {
        "clientCredentials": {"tokenUrl": "https://example.org/token", "scopes": {"read": "Read."}}
    }
    app.docs.add_security_scheme("oauth", {"type": "oauth2", "flows": flows})
    app.docs.add_security_scheme("key", {"type": "apiKey", "in": "cookie", "name": "key"})

    class Guard:
        schemes = ("oauth", "key")

        async def check(self) -> None: ...

    app.websocket("/ws", guards=[Guard()], receives=str, sends=(), name="ws")(_nothing)

    document = drawn(app)

    assert document["info"]["license"] == {"name": "MIT"}
    schemes = document["components"]["securitySchemes"]
    assert schemes["oauth"]["flows"]["clientCredentials"]["availableScopes"] == {"read": "Read."}
    assert schemes["key"] == {"type": "httpApiKey", "in": "cookie", "name": "key"}


async def _nothing(websocket: WebSocket) -> None: ...


def test_schemas_speak_draft_7() -> None:
    given = {
        "type": "object",
        "properties": {
            "discriminator": {"$ref": "#/a", "description": "beside"},
            "pair": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
            "either": {
                "oneOf": [{"$ref": "#/a"}, {"$ref": "#/b"}],
                "discriminator": {"propertyName": "kind", "mapping": {"a": "#/a"}},
            },
        },
        "default": {"$ref": "text", "prefixItems": 1},
    }

    assert draft7(given) == {
        "type": "object",
        "properties": {
            "discriminator": {"description": "beside", "allOf": [{"$ref": "#/a"}]},
            "pair": {"items": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
            "either": {
                "oneOf": [{"$ref": "#/a"}, {"$ref": "#/b"}],
                "discriminator": "kind",
            },
        },
        "default": {"$ref": "text", "prefixItems": 1},
    }
    assert given["properties"]["pair"]["prefixItems"]  # type: ignore[index]  # the first is whole
