"""Forms and files as parameters and on the request, within their limits."""

import enum
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
import pytest
import typing_extensions
from pydantic import AliasChoices, BaseModel, Field

from nexios import Body, File, Form, Header, Query, UploadedFile
from nexios.adapters.asgi.types import Message
from nexios.adapters.http import uploads
from nexios.adapters.http.errors import FormTooLarge, MalformedBody
from nexios.adapters.http.forms import parse_urlencoded
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.application.limits import Limits
from nexios.container.depend import Depend
from nexios.container.errors import ContainerError
from nexios.domain.values import Identity
from tests.support.asgi import Answer, Peer, Served
from tests.support.forms import MULTIPART, URLENCODED, multipart, open_below, open_full, part

pytestmark = pytest.mark.asyncio


BIG = part("f", b"xyz", filename="f")  # where one byte is a large file


class OrderId(Identity):
    pass


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


class Profile(BaseModel):
    name: str
    age: int | None = None
    tags: list[str] = []
    size: Size = Size.SMALL


class Avatar(BaseModel):
    title: str
    image: UploadedFile


def errors_of(answer: Answer) -> list[tuple[str, str, str]]:
    assert answer.status == 422, answer.body
    return [(e["in"], e["name"], e["code"]) for e in answer.json()["errors"]]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


# Hostile input first.


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "multipart/form-data"}, b"x"),
        ({"content-type": f"multipart/form-data; boundary={'b' * 71}"}, b"x"),
        (MULTIPART, b"--XyZ\r\n" + part("a", b"x")),
        (MULTIPART, multipart(part("a", b"x", filename="\x00"))),
        (URLENCODED, b"a=%FF"),
        (URLENCODED, b"%00=1"),
    ],
)
async def test_broken_forms_are_400_for_parameters_and_for_the_request(
    headers: dict[str, str], body: bytes
) -> None:
    router = Router()

    @router.post("/bound")
    async def bound(a: str = Form()) -> str:
        return a

    @router.post("/read")
    async def read(request: Request) -> object:
        return await request.form

    async with Served(router) as served:
        for path in ("/bound", "/read"):
            answer = await served.post(path, headers=headers, body=body)
            assert (answer.status, answer.header("content-type")) == (
                400,
                "application/problem+json",
            )
        assert served.reports == []


@pytest.mark.parametrize(
    ("limits", "headers", "body"),
    [
        ({"fields": 2}, MULTIPART, multipart(*[part("a", b"x")] * 3)),
        ({"files": 2, "spool": 1}, MULTIPART, multipart(*[BIG] * 3)),
        ({"field_bytes": 5, "spool": 1}, MULTIPART, multipart(BIG, part("a", b"123456"))),
        ({"urlencoded_fields": 2}, URLENCODED, b"a=1&b=2&c=3"),
        ({"key_bytes": 2}, URLENCODED, b"abc=1"),
        ({"multipart": 99}, MULTIPART, multipart(part("f", b"x" * 100, filename="f"))),
        ({"body": 9}, URLENCODED, b"a=12345678"),
    ],
)
async def test_too_many_fields_files_or_big_fields_are_413_and_leave_no_file(
    limits: dict[str, int], headers: dict[str, str], body: bytes, temporary: Path
) -> None:
    router = Router()

    @router.post("/")
    async def take(a: str = Form("")) -> str:
        raise AssertionError(a)

    async with Served(router, settings=HttpSettings(limits=Limits(**limits))) as served:  # type: ignore[arg-type]
        answer = await served.post("/", headers=headers, body=body)
    assert answer.status == 413
    assert answer.header("connection") == "close"
    assert open_below(temporary) == []


async def test_a_form_of_another_kind_is_415() -> None:
    router = Router()

    @router.post("/")
    async def take(a: str = Form("none")) -> str:
        return a

    json = {"content-type": "application/json"}
    async with Served(router) as served:
        for headers in (
            json,
            {"content-type": "text/plain"},
            {},
            {**URLENCODED, "content-encoding": "gzip"},
            {"content-type": "application/x-www-form-urlencoded; charset=utf-16"},
        ):
            assert (await served.post("/", headers=headers, body=b"a=1")).status == 415
            peer = Peer((b"a=", b"1"))
            assert (await served.post("/", headers=headers, peer=peer)).status == 415
        assert (await served.post("/")).text == "none"
        assert (await served.post("/", headers=json, body=b"")).text == "none"


async def test_a_multipart_over_its_limit_by_length_is_not_read() -> None:
    router = Router()

    @router.post("/")
    async def take(f: UploadedFile) -> None: ...

    async with Served(router) as served:
        peer = Peer((b"x",))
        over = str(Limits().multipart + 1)  # type: ignore[operator]
        headers = {**MULTIPART, "content-length": over}
        assert (await served.post("/", headers=headers, peer=peer)).status == 413
        assert peer.asked == 0


@pytest.mark.parametrize(("more", "status"), [(-1, 204), (0, 204), (1, 413)])
async def test_multipart_has_a_limit_of_its_own_and_the_route_may_set_it(
    more: int, status: int
) -> None:
    router = Router()

    async def take(f: UploadedFile) -> None: ...

    router.add_route(path="/default", handler=take, methods=["POST"])
    router.add_route(path="/short", handler=take, methods=["POST"], limit_body=500)
    router.add_route(path="/long", handler=take, methods=["POST"], limits={"multipart": 600})

    settings = HttpSettings(limits=Limits(body=10, multipart=400))
    async with Served(router, settings=settings) as served:
        for path, limit in (("/default", 400), ("/short", 500), ("/long", 600)):
            frame = len(multipart(part("f", b"", filename="f")))
            body = multipart(part("f", b"x" * (limit + more - frame), filename="f"))
            halves = (body[:100], body[100:])
            assert (await served.post(path, headers=MULTIPART, body=body)).status == status
            chunked = await served.post(path, headers=MULTIPART, peer=Peer(halves))
            assert chunked.status == status


async def test_a_form_that_is_refused_is_refused_again_whoever_asks() -> None:
    seen = []

    async def curious(request: Request, response: Any, call_next: Any) -> Any:
        for _ in range(2):
            try:
                await request.form
            except MalformedBody as error:
                seen.append(str(error))
        return await call_next()

    router = Router()

    @router.post("/")
    async def take(a: str = Form()) -> None: ...

    async with Served(router, middleware=[curious]) as served:
        answer = await served.post("/", headers=MULTIPART, body=b"--XyZ\r\n")
    assert answer.status == 400
    assert seen == ["the form has no closing boundary"] * 2


async def test_nul_in_a_field_is_422_and_joins_the_others() -> None:
    router = Router()

    @router.post("/bound")
    async def bound(a: str = Form(), n: int = Form()) -> None: ...

    @router.post("/read")
    async def read(request: Request) -> object:
        return await request.form

    async with Served(router) as served:
        for headers, body in (
            (URLENCODED, b"a=x%00y&n=z"),
            (MULTIPART, multipart(part("a", b"x\x00y"), part("n", b"z"))),
        ):
            answer = await served.post("/bound", headers=headers, body=body)
            assert errors_of(answer) == [("form", "n", "int_parsing"), ("form", "a", "nul")]
            answer = await served.post("/read", headers=headers, body=body)
            assert errors_of(answer) == [("form", "a", "nul")]


async def test_values_of_a_form_are_not_echoed_and_all_sources_share_one_answer() -> None:
    router = Router()

    @router.post("/{n}")
    async def take(
        n: int, q: int, age: int = Form(), level: Literal[1, 2] = Form(), f: UploadedFile = File()
    ) -> None: ...

    async with Served(router) as served:
        body = multipart(part("age", b"secret"), part("level", b"secret"), part("f", b"secret"))
        answer = await served.post("/secret?q=secret", headers=MULTIPART, body=body)
    assert errors_of(answer) == [
        ("path", "n", "int_parsing"),
        ("query", "q", "int_parsing"),
        ("form", "age", "int_parsing"),
        ("form", "level", "literal_error"),
        ("form", "f", "file_type"),
    ]
    told = answer.json()
    assert told.pop("instance") == "/secret"
    assert "secret" not in str(told)


async def test_ten_thousand_bad_items_of_a_form_are_fifty_and_a_number() -> None:
    router = Router()

    @router.post("/")
    async def take(n: list[int] = Form()) -> None: ...

    settings = HttpSettings(limits=Limits(urlencoded_fields=10_000))
    async with Served(router, settings=settings) as served:
        answer = await served.post("/", headers=URLENCODED, body=b"&".join([b"n=x"] * 10_000))
    assert len(errors_of(answer)) == 50
    assert answer.json()["detail"] == "10000 fields are not valid"


@pytest.mark.parametrize("headers", [MULTIPART, URLENCODED])
async def test_a_stalled_form_is_408_and_the_handler_never_ran(headers: dict[str, str]) -> None:
    router = Router()
    ran = []

    @router.post("/")
    async def take(a: str = Form("")) -> None:
        ran.append(a)

    class Silent(Peer):
        async def receive(self) -> Message:
            if self.asked:
                await anyio.sleep_forever()
            return await super().receive()

    async with Served(router, settings=HttpSettings(limits=Limits(body_idle_s=0.05))) as served:
        answer = await served.post("/", headers=headers, peer=Silent((b"--XyZ", b"never")))
    assert (answer.status, answer.header("connection")) == (408, "close")
    assert ran == []


# Decoding.


async def test_form_decoded_once() -> None:
    assert parse_urlencoded(b"a=100%2525&b=a+b%2Bc&c&=x&&d=1=2&a=%C3%A9", Limits()) == [
        ("a", "100%25"),
        ("b", "a b+c"),
        ("c", ""),
        ("", "x"),
        ("d", "1=2"),
        ("a", "é"),
    ]
    assert parse_urlencoded(b"a=%&b=%zz&c=%4", Limits()) == [("a", "%"), ("b", "%zz"), ("c", "%4")]
    assert parse_urlencoded(b"a=1;b=2", Limits()) == [("a", "1;b=2")]


@pytest.mark.parametrize("limit", ["urlencoded_fields", "key_bytes"])
async def test_urlencoded_limits_one_below_at_and_one_above(limit: str) -> None:
    held = getattr(Limits(), limit)

    def body(count: int) -> bytes:
        if limit == "key_bytes":
            return b"k" * count + b"=v"
        return b"&".join([b"a=1"] * count)

    assert parse_urlencoded(body(held - 1), Limits())
    assert parse_urlencoded(body(held), Limits())
    with pytest.raises(FormTooLarge):
        parse_urlencoded(body(held + 1), Limits())


# Parameters.


async def test_form_model_and_file_bind_side_by_side() -> None:
    router = Router()

    @router.post("/")
    async def take(
        profile: Annotated[Profile, Form()],
        photo: UploadedFile,
        note: Annotated[str, Form(min_length=2), Field(max_length=4)] = "none",
        count: int = Form(1, ge=1),
        order: OrderId | None = Form(None),
    ) -> list[object]:
        return [profile, photo.filename, (await photo.read()).decode(), note, count, order]

    order = str(OrderId.new())
    async with Served(router) as served:
        body = multipart(
            part("name", b"Ann"),
            part("age", b""),
            part("tags", b"a"),
            part("tags", b"b"),
            part("size", b"2"),
            part("photo", b"pixels", filename="me.png"),
            part("note", b"abc"),
            part("count", b""),
            part("order", order.encode()),
        )
        good = await served.post("/", headers=MULTIPART, body=body)
        bad = await served.post("/", headers=URLENCODED, body=b"age=x&size=9&note=abcde&count=0")
    profile = {"name": "Ann", "age": None, "tags": ["a", "b"], "size": 2}
    assert good.json() == [profile, "me.png", "pixels", "abc", 1, order]
    assert {name for _, name, _ in errors_of(bad)} == {
        "name",
        "age",
        "size",
        "photo",
        "note",
        "count",
    }


async def test_a_model_may_hold_a_file_and_dataclass_and_typed_dict_are_filled_too() -> None:
    @dataclass
    class Point:
        x: int
        y: int = 0

    class Tag(typing_extensions.TypedDict):
        label: str

    router = Router()

    @router.post("/")
    async def take(
        avatar: Avatar = Form(), point: Point = Form(), tag: Tag = Form()
    ) -> list[object]:
        return [avatar.title, avatar.image, point.x + point.y, tag["label"]]

    async with Served(router) as served:
        body = multipart(
            part("title", b"t"),
            part("image", b"x", filename="i.png"),
            part("x", b"1"),
            part("label", b"l"),
        )
        assert (await served.post("/", headers=MULTIPART, body=body)).json() == [
            "t",
            "i.png",
            1,
            "l",
        ]
        body = multipart(part("title", b"t"), part("image", b"no file"), part("x", b"z"))
        bad = await served.post("/", headers=MULTIPART, body=body)
    assert errors_of(bad) == [
        ("form", "image", "file_type"),
        ("form", "x", "int_parsing"),
        ("form", "label", "missing"),
    ]


async def test_an_empty_field_is_absent_for_every_type_but_str() -> None:
    router = Router()

    @router.post("/")
    async def take(
        a: str = Form("d"),
        b: int = Form(7),
        c: str | None = Form(None),
        d: list[int] = Form(()),
        e: list[str] = Form(()),
        f: Literal["x"] | None = Form(None),
        g: bool = Form(False),
        h=Form("h"),  # type: ignore[no-untyped-def]
    ) -> list[object]:
        return [a, b, c, d, e, f, g, h]

    async with Served(router) as served:
        body = b"a=&b=&c=&d=&d=1&e=&f=&g=&h="
        answer = await served.post("/", headers=URLENCODED, body=body)
        assert answer.json() == ["", 7, "", [1], [""], None, False, ""]
        answer = await served.post("/", headers=URLENCODED, body=b"g=on&b=1&b=2&f=x")
        assert answer.json() == ["d", 2, None, [], [], "x", True, "h"]


async def test_two_files_of_one_field_come_and_are_closed_after_the_answer(
    temporary: Path,
) -> None:
    kept: list[UploadedFile] = []
    router = Router()

    @router.post("/")
    async def take(f: list[UploadedFile], one: UploadedFile | None = None) -> list[object]:
        kept.extend(f)
        assert open_below(temporary)
        return [[file.filename for file in f], one]

    settings = HttpSettings(limits=Limits(spool=1))
    async with Served(router, settings=settings) as served:
        body = multipart(part("f", b"xx", filename="a"), part("f", b"yy", filename="b"))
        answer = await served.post("/", headers=MULTIPART, body=body)
        assert answer.json() == [["a", "b"], None]
        assert all(file.closed for file in kept)
        assert open_below(temporary) == []
        assert errors_of(await served.post("/", headers=URLENCODED, body=b"x=1")) == [
            ("form", "f", "missing")
        ]


async def test_files_are_closed_when_the_handler_raises_or_the_input_is_bad(
    temporary: Path,
) -> None:
    router = Router()

    @router.post("/raises")
    async def raises(f: UploadedFile) -> None:
        raise LookupError

    @router.post("/bad")
    async def bad(f: UploadedFile, n: int = Form()) -> None: ...

    async with Served(router, settings=HttpSettings(limits=Limits(spool=1))) as served:
        body = multipart(part("f", b"xx", filename="a"))
        for path, status in (("/raises", 500), ("/bad", 422)):
            assert (await served.post(path, headers=MULTIPART, body=body)).status == status
            assert open_below(temporary) == []


async def test_alias_and_sets_of_files() -> None:
    router = Router()

    @router.post("/")
    async def take(
        photos: Annotated[tuple[UploadedFile, ...], File(alias="photo[]")] = (),
        first=File(None, alias="first-one"),  # type: ignore[no-untyped-def]
    ) -> list[object]:
        return [[photo.filename for photo in photos], first]

    async with Served(router) as served:
        body = multipart(
            part("photo[]", b"", filename="a"),
            part("photo[]", b"", filename="b"),
            part("first-one", b"x", filename="c"),
        )
        assert (await served.post("/", headers=MULTIPART, body=body)).json() == [["a", "b"], "c"]
        assert (await served.post("/")).json() == [[], None]


async def test_a_function_dependency_reads_the_form_and_it_is_read_once() -> None:
    async def token(csrf: str = Form()) -> str:
        return csrf

    router = Router()

    @router.post("/")
    async def take(request: Request, t: str = Depend(token), a: int = Form()) -> list[object]:
        form = await request.form
        assert form is await request.form_data
        return [t, a, form["a"]]

    async with Served(router) as served:
        peer = Peer((b"csrf=c", b"&a=5"))
        answer = await served.post("/", headers=URLENCODED, peer=peer)
        assert answer.json() == ["c", 5, "5"]
        assert peer.asked == 2
        bad = await served.post("/", headers=URLENCODED, body=b"a=x")
    assert errors_of(bad) == [("form", "a", "int_parsing"), ("form", "csrf", "missing")]


async def test_request_model_of_a_form_is_checked_where_the_handler_reads_for_itself() -> None:
    router = Router()

    @router.post("/", request_model=Profile, request_content_type="multipart/form-data")
    async def take(request, response):  # type: ignore[no-untyped-def]
        return response.json((await request.form)["name"])

    async with Served(router) as served:
        body = multipart(part("name", b"Ann"))
        assert (await served.post("/", headers=MULTIPART, body=body)).json() == "Ann"
        assert (await served.post("/", headers=URLENCODED, body=b"name=Bob")).json() == "Bob"
        assert errors_of(await served.post("/", headers=URLENCODED, body=b"age=x")) == [
            ("form", "name", "missing"),
            ("form", "age", "int_parsing"),
        ]
        assert (await served.post("/", as_json={"name": "a"})).status == 415


# The request.


async def test_the_request_has_fields_and_files(temporary: Path) -> None:
    router = Router()
    kept: list[UploadedFile] = []

    @router.post("/")
    async def take(request: Request) -> list[object]:
        assert request.has_files
        async with request.form_data as form:
            files = await request.files()
            assert files is await request.files
            kept.extend(files.getlist("f"))
            told = [form["a"], form.getlist("a"), files["f"], files.getlist("f"), len(files)]
        assert all(file.closed for file in kept)
        return told

    async with Served(router, settings=HttpSettings(limits=Limits(spool=1))) as served:
        body = multipart(
            part("a", b"1"),
            part("f", b"xx", filename="one"),
            part("a", b"2"),
            part("f", b"yy", filename="two"),
        )
        answer = await served.post("/", headers=MULTIPART, body=body)
    assert answer.json() == ["2", ["1", "2"], "two", ["one", "two"], 1]
    assert open_below(temporary) == []


async def test_a_body_that_is_no_form_is_an_empty_form_on_the_request() -> None:
    router = Router()

    @router.post("/")
    async def take(request: Request) -> list[object]:
        form, files = await request.form, await request.files
        await request.close()
        return [len(form), len(files), request.has_files, await request.json]

    async with Served(router) as served:
        assert (await served.post("/", as_json={"a": 1})).json() == [0, 0, False, {"a": 1}]
        assert (await served.post("/")).json() == [0, 0, False, {}]


async def test_a_small_form_leaves_the_body_readable_and_a_read_body_is_a_form() -> None:
    router = Router()

    @router.post("/form-first")
    async def form_first(request: Request) -> bool:
        form = await request.form
        return form["a"] == "x" and b"x" in await request.body

    @router.post("/body-first")
    async def body_first(request: Request) -> bool:
        return b"x" in await request.body and (await request.form)["a"] == "x"

    body = multipart(part("a", b"x"))
    async with Served(router) as served:
        for path in ("/form-first", "/body-first"):
            for headers, content in ((MULTIPART, body), (URLENCODED, b"a=x")):
                answer = await served.post(path, headers=headers, body=content)
                assert answer.json() is True


async def test_large_uploads_are_not_kept_in_memory_beside_their_file() -> None:
    held = []
    router = Router()

    @router.post("/")
    async def take(request: Request, f: UploadedFile) -> int:
        held.append(sum(map(len, request.body_reader._chunks)))
        return f.size

    async with Served(router) as served:
        body = multipart(part("f", b"x" * 3_000_000, filename="f"))
        chunks = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
        answer = await served.post("/", headers=MULTIPART, peer=Peer(chunks))
    assert answer.json() == 3_000_000
    assert held == [0]


async def test_full_temporary_disk_is_507_and_the_service_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = Router()

    @router.post("/")
    async def take(f: UploadedFile) -> int:
        return f.size

    async with Served(router, settings=HttpSettings(limits=Limits(spool=4))) as served:
        body = multipart(part("f", b"12345", filename="f"))
        with monkeypatch.context() as full:
            full.setattr(uploads, "open_temporary", open_full)
            answer = await served.post("/", headers=MULTIPART, body=body)
        assert answer.status == 507
        assert b"TMPDIR" not in answer.body
        assert (await served.post("/", headers=MULTIPART, body=body)).json() == 5


# Refused at start.


def refusal(router: Router) -> str:
    with pytest.raises(ContainerError) as refused:
        Served(router)
    return str(refused.value)


async def test_a_form_beside_a_json_body_is_refused_at_start() -> None:
    router = Router()

    @router.post("/a")
    async def a(profile: Profile, n: int = Form()) -> None: ...

    @router.post("/b")
    async def b(f: UploadedFile, profile: Profile) -> None: ...

    text = refusal(router)
    assert "already read as JSON by 'profile'" in text
    assert "already read as a form by 'f'" in text
    assert "profile: Profile = Form()" in text


async def test_a_form_on_get_is_refused_at_start() -> None:
    router = Router()

    @router.get("/")
    async def take(a: str = Form()) -> None: ...

    assert "GET request has no body" in refusal(router)


async def test_a_file_of_another_type_is_refused_at_start() -> None:
    router = Router()

    @router.post("/")
    async def take(a: bytes = File()) -> None: ...

    assert "a: UploadedFile = File()" in refusal(router)


async def test_a_body_without_limit_may_only_be_streamed() -> None:
    router = Router()

    @router.post("/whole", limits={"body": None})
    async def whole(profile: Profile) -> None: ...

    assert "AsyncIterator[bytes]" in refusal(router)

    router = Router()

    @router.post("/stream", limits={"body": None})
    async def stream(chunks: AsyncIterator[bytes]) -> int:
        return sum([len(chunk) async for chunk in chunks])

    async with Served(router, settings=HttpSettings(limits=Limits(body=5))) as served:
        assert (await served.post("/stream", body=b"x" * 10)).json() == 10


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"limits": {"bdy": 1}}, "did you mean 'body'"),
        ({"limit_body": -1}, "limits.body cannot be -1"),
        ({"limits": {"files": "3"}}, "limits.files cannot be '3'"),
        (
            {"request_model": Profile, "request_content_type": "application/xml"},
            "request_model cannot be read from 'application/xml'",
        ),
    ],
)
async def test_options_that_cannot_hold_are_refused_at_start(
    options: dict[str, Any], text: str
) -> None:
    router = Router()
    router.add_route(path="/", handler=lambda: "", methods=["POST"], **options)
    with pytest.raises((TypeError, ValueError), match=text):
        Served(router)


# Markers.


async def test_constraints_hold_on_the_body_too() -> None:
    router = Router()

    @router.post("/")
    async def take(
        n: Annotated[int, Body(embed=True, ge=1)],
        names: Annotated[list[str], Body(embed=True), Field(max_length=1)],
        ids: list[OrderId] = Body((), embed=True),
    ) -> list[object]:
        return [n, names, ids]

    order = str(OrderId.new())
    async with Served(router) as served:
        good = await served.post("/", as_json={"n": 1, "names": ["a"], "ids": [order]})
        bad = await served.post("/", as_json={"n": 0, "names": ["a", "b"], "ids": ["x"]})
    assert good.json() == [1, ["a"], [order]]
    assert [name for _, name, _ in errors_of(bad)] == ["n", "names", "ids.0"]


async def test_a_header_model_is_told_by_wire_names_and_a_field_may_have_several() -> None:
    class Tracing(BaseModel):
        x_depth: int = 0
        user: str = Field("none", validation_alias=AliasChoices("x_user", "x_login"))

    router = Router()

    @router.get("/")
    async def find(tracing: Tracing = Header()) -> list[object]:
        return [tracing.x_depth, tracing.user]

    async with Served(router) as served:
        good = await served.get("/", headers={"x-depth": "2", "x-login": "ann"})
        bad = await served.get("/", headers={"x-depth": "deep"})
    assert good.json() == [2, "ann"]
    assert errors_of(bad) == [("header", "x-depth", "int_parsing")]


async def test_enums_and_literals_of_numbers_work_inside_query_models() -> None:
    class Filter(BaseModel):
        size: Size = Size.SMALL
        sizes: list[Size] = []
        level: Literal[1, 2] | None = None
        on: Literal[True, False] = False

    router = Router()

    @router.get("/")
    async def find(filter: Filter = Query()) -> Filter:
        return filter

    async with Served(router) as served:
        answer = await served.get("/?size=2&sizes=1&sizes=2&level=2&on=true")
        assert answer.json() == {"size": 2, "sizes": [1, 2], "level": 2, "on": True}
        bad = await served.get("/?size=3&sizes=1&sizes=x&level=3")
    assert [name for _, name, _ in errors_of(bad)] == ["size", "sizes.1", "level"]
