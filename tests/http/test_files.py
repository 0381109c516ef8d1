"""Files as answers, over the gateway and over a real server."""

import os
import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from nexios import FileResponse, HTTPException, MakeConfig, NexiosApp, Request, Response
from nexios.adapters.http.files import FileShrank, disposition
from nexios.adapters.http.router import Router
from tests.support.asgi import Answer, Peer, Served, ask, http_scope
from tests.support.server import serving

pytestmark = pytest.mark.asyncio

CONTENT = b"0123456789abcdefghij"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "report.txt"
    found.write_bytes(CONTENT)
    os.utime(found, (1_700_000_000, 1_700_000_000))
    return found


async def send(path: Path | str, method: str = "GET", **headers: str) -> Answer:
    """Send the file as a route's answer."""
    router = Router()

    @router.get("/")
    async def show() -> FileResponse:
        return FileResponse(path)

    named = {key.replace("_", "-"): value for key, value in headers.items()}
    async with Served(router) as served:
        return await served.call(method, "/", headers=named, peer=Peer(stays=True))


async def test_a_file_says_what_it_is(path: Path) -> None:
    answer = await send(path)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("content-length") == "20"
    assert answer.header("accept-ranges") == "bytes"
    assert answer.header("last-modified") == formatdate(1_700_000_000, usegmt=True)
    tag = answer.header("etag")
    assert tag is not None
    assert re.fullmatch(r'"[0-9a-f]+-14"', tag)
    assert answer.header("content-disposition") is None


async def test_head_has_the_length_and_no_body(path: Path) -> None:
    answer = await send(path, "HEAD", range="bytes=0-1")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "20")


@pytest.mark.parametrize(
    ("asked", "body", "within"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/20"),
        ("bytes=15-", b"fghij", "bytes 15-19/20"),
        ("bytes=-3", b"hij", "bytes 17-19/20"),
        ("bytes=18-99", b"ij", "bytes 18-19/20"),
        ("bytes=0-4,3-6", b"0123456", "bytes 0-6/20"),
    ],
)
async def test_one_range(path: Path, asked: str, body: bytes, within: str) -> None:
    answer = await send(path, range=asked)
    assert (answer.status, answer.body) == (206, body)
    assert answer.header("content-range") == within
    assert answer.header("content-length") == str(len(body))


async def test_several_ranges_come_as_parts(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * 20)
    answer = await send(path, range="bytes=0-1,1000-1003,-2")
    assert answer.status == 206
    kind = answer.header("content-type") or ""
    match = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", kind)
    assert match is not None
    assert answer.header("content-length") == str(len(answer.body))
    _, *parts, end = answer.body.split(f"--{match[1]}".encode())
    assert end == b"--\r\n"
    heads = [part.partition(b"\r\n\r\n") for part in parts]
    assert [body[:-2] for _, _, body in heads] == [b"\x00\x01", b"\xe8\xe9\xea\xeb", b"\xfe\xff"]
    assert b"content-range: bytes 1000-1003/5120" in heads[1][0]
    assert all(b"content-type: application/octet-stream" in head for head, _, _ in heads)


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2000, 2)),
        "bytes=" + ",".join("0-" for _ in range(1000)),
        "bytes=a-b",
        "bytes=5-2",
        "bytes=-0",
        "bytes=" + "9" * 5000 + "-",
        "bytes=0-" + "9" * 5000,
        "lines=0-1",
        "bytes=0-0,19-19",
        "bytes=" + "," * 5000,
        "=",
    ],
)
async def test_range_abuse(path: Path, asked: str) -> None:
    answer = await send(path, range=asked)
    assert answer.status in (200, 206, 416, 431)  # a thousand ranges are too long a field
    if answer.status < 400:
        assert len(answer.body) <= len(CONTENT)


@pytest.mark.parametrize(("asked", "status"), [("0-0,5-5", 206), ("0-0,5-5,9-9", 200)])
async def test_the_parts_of_an_answer_are_limited(tmp_path: Path, asked: str, status: int) -> None:
    path = tmp_path / "big"
    await anyio.Path(path).write_bytes(b"x" * 10_000)
    app = NexiosApp(config=MakeConfig(limits={"ranges": 2}))

    @app.get("/")
    async def show(response: Response) -> Response:
        return response.file(path)

    headers = {"range": f"bytes={asked}"}
    answer = await ask(app, "GET", "/", headers=headers, peer=Peer(stays=True))
    assert answer.status == status


async def test_no_part_of_the_file_is_416_with_its_size(path: Path) -> None:
    answer = await send(path, range="bytes=20-")
    assert answer.status == 416
    assert answer.header("content-range") == "bytes */20"
    assert answer.json()["status"] == 416


async def test_conditional_files(path: Path) -> None:
    first = await send(path)
    tag, date = first.header("etag") or "", first.header("last-modified") or ""
    for asked in ({"if_none_match": tag}, {"if_none_match": "*"}, {"if_modified_since": date}):
        again = await send(path, **asked)
        assert (again.status, again.body) == (304, b"")
        assert again.header("etag") == tag
        assert again.header("content-type") is None
        assert again.header("content-length") is None
    assert (await send(path, if_none_match='"x"', if_modified_since=date)).status == 200
    failed = await send(path, if_match='"x"')
    assert failed.status == 412
    assert failed.json()["status"] == 412
    assert (await send(path, if_match=tag, if_none_match=tag)).status == 304


async def test_a_range_of_a_file_that_changed_sends_the_whole(path: Path) -> None:
    tag = (await send(path)).header("etag") or ""
    assert (await send(path, range="bytes=0-1", if_range=tag)).status == 206
    await anyio.Path(path).write_bytes(b"changed")
    answer = await send(path, range="bytes=0-1", if_range=tag)
    assert (answer.status, answer.body) == (200, b"changed")


async def test_missing_file_is_404(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cases: list[Path | str] = [tmp_path / "nothing", tmp_path, pipe, "a\0b", "x" * 5000]
    if os.geteuid() != 0:
        cases.append(secret)
    for path in cases:
        answer = await send(path)
        assert answer.status == 404
        assert answer.header("content-type") == "application/problem+json"
        assert tmp_path.name not in answer.text


async def test_a_file_that_vanishes_between_two_answers(path: Path) -> None:
    router = Router()
    kept = FileResponse(path)

    @router.get("/")
    async def show() -> FileResponse:
        return kept

    async with Served(router) as served:
        assert (await served.get("/", peer=Peer(stays=True))).body == CONTENT
        assert (await served.get("/", peer=Peer(stays=True))).body == CONTENT
        await anyio.Path(path).unlink()
        assert (await served.get("/", peer=Peer(stays=True))).status == 404


async def test_the_404_of_a_file_is_answered_like_any_other(tmp_path: Path) -> None:
    router = Router()

    @router.get("/")
    async def show(response: Response) -> Response:
        return response.download(tmp_path / "nothing").set_header("x-kept", "1")

    async def own(request: Request, response: Response, error: HTTPException) -> Any:
        return {"mine": error.status_code}

    async with Served(router, exception_handlers={404: own}) as served:
        answer = await served.get("/")
    assert (answer.status, answer.json()) == (404, {"mine": 404})
    assert answer.header("x-kept") == "1"
    assert answer.header("content-disposition") is None


async def test_the_builder_sends_files_in_any_order_of_the_chain(path: Path) -> None:
    router = Router()

    @router.get("/before")
    async def before(response: Response) -> Response:
        return response.status(201).set_header("x-a", "1").cache(60).file(path)

    @router.get("/after")
    async def after(response: Response) -> Response:
        return response.file(path).cache(60).set_header("x-a", "1").status(201)

    async with Served(router) as served:
        for at in ("/before", "/after"):
            answer = await served.get(at, peer=Peer(stays=True))
            assert (answer.status, answer.body) == (201, CONTENT)
            assert answer.header("x-a") == "1"
            assert answer.header("cache-control") == "private, max-age=60"
            assert answer.headers("content-type") == ["text/plain; charset=utf-8"]


async def test_content_after_a_file_has_nothing_of_it(path: Path) -> None:
    final = Response().download(path).json({"a": 1}).get_response()
    assert final.headers["content-disposition"] is None
    assert final.headers.getlist("content-type") == ["application/json"]
    assert final.body == b'{"a":1}'


async def test_a_tag_set_by_hand_is_the_files(path: Path) -> None:
    router = Router()

    @router.get("/")
    async def show(response: Response) -> Response:
        return response.file(path).etag("v1")

    async with Served(router) as served:
        assert (await served.get("/", headers={"if-none-match": '"v1"'})).status == 304
        whole = await served.get("/", headers={"if-none-match": '"v2"'}, peer=Peer(stays=True))
        assert (whole.status, whole.header("etag")) == (200, '"v1"')


async def test_a_routers_own_handler_answers_for_its_files_and_streams(tmp_path: Path) -> None:
    async def own(request: Request, response: Response, error: Exception) -> Any:
        return {"mine": type(error).__name__}

    inner = Router("/inner", exception_handlers={404: own, LookupError: own})

    @inner.get("/file")
    async def show() -> FileResponse:
        return FileResponse(tmp_path / "nothing")

    @inner.get("/stream")
    async def stream() -> AsyncIterator[str]:
        raise LookupError
        yield ""

    router = Router()
    router.mount_router(inner)
    async with Served(router) as served:
        assert (await served.get("/inner/file")).json() == {"mine": "NotFoundException"}
        late = await served.get("/inner/stream", peer=Peer(stays=True))
        assert (late.status, late.json()) == (500, {"mine": "LookupError"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\temp\\a.txt", 'attachment; filename="a.txt"'),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("a\r\nx: y", 'attachment; filename="a__x: y"'),
        ("a\0b", 'attachment; filename="a_b"'),
        ("ï文.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%AF%E6%96%87.txt"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("/", 'attachment; filename="file"'),
    ],
)  # fmt: skip
async def test_download_name(name: str, value: str, path: Path) -> None:
    assert disposition(name) == value
    response = FileResponse(path, name, content_disposition_type="attachment")
    assert response.headers["content-disposition"] == value


async def test_a_disposition_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="inline or attachment"):
        disposition("a", "form-data")  # type: ignore[arg-type]


async def test_a_server_that_sends_files_itself_is_given_the_path(path: Path) -> None:
    app = FileResponse(path)

    async def messages(method: str = "GET", **headers: str) -> list[str]:
        peer = Peer(stays=True)
        scope = http_scope(method, "/", headers)
        scope["extensions"] = {"http.response.pathsend": {}}
        await app(scope, peer.receive, peer.send)
        return [message["type"] for message in peer.sent]

    assert await messages() == ["http.response.start", "http.response.pathsend"]
    assert "http.response.pathsend" not in await messages("HEAD")
    assert "http.response.pathsend" not in await messages(range="bytes=0-1")


async def test_a_file_that_shrinks_is_cut_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 1_000_000)
    router = Router()

    @router.get("/")
    async def show() -> FileResponse:
        return FileResponse(path)

    class Slow(Peer):
        async def send(self, message: Any) -> None:
            await super().send(message)
            os.truncate(path, 70_000)

    peer = Slow(stays=True)
    async with Served(router) as served:
        with pytest.raises(FileShrank):
            await ask(served.gateway, "GET", "/", peer=peer)
        ((error, _, where),) = served.reports
    assert isinstance(error, FileShrank)
    assert where == "/"
    assert peer.sent[-1]["more_body"] is True


async def test_big_files_over_a_real_server(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    content = os.urandom(3_000_000)
    path.write_bytes(content)
    app = NexiosApp()

    @app.get("/big")
    async def big(response: Response) -> Response:
        return response.file(path)

    with serving(app) as address, httpx2.Client(base_url=f"http://{address}") as client:
        assert client.get("/big").content == content
        part = client.get("/big", headers={"range": "bytes=1000000-1999999"})
        assert (part.status_code, part.content) == (206, content[1_000_000:2_000_000])
        head = client.head("/big")
        assert (head.headers["content-length"], head.content) == ("3000000", b"")
