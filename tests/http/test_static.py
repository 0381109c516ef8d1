"""Static files: what is served, and that nothing else is."""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from nexios import NexiosApp, StaticFiles
from nexios.adapters.http.routes import Routes
from nexios.adapters.http.static import NoDirectory, StaticFilesHandler
from tests.support.asgi import Answer, Peer, ask
from tests.support.server import serving

pytestmark = pytest.mark.asyncio

SECRET = b"not to be seen"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A folder, with things beside it that must never be served."""
    root = tmp_path / "assets"
    (root / "sub").mkdir(parents=True)
    (root / "app.js").write_bytes(b"let a = 1")
    (root / "app.js.br").write_bytes(b"BR")
    (root / "app.js.gz").write_bytes(b"GZ")
    (root / "plain.css").write_bytes(b"body{}")
    (root / "sub" / "index.html").write_bytes(b"<h1>sub</h1>")
    (root / "index.html").write_bytes(b"<h1>home</h1>")
    (root / "404.html").write_bytes(b"<h1>gone</h1>")
    (root / ".env").write_bytes(SECRET)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(SECRET)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "assets-private").mkdir()
    (tmp_path / "assets-private" / "key").write_bytes(SECRET)
    (root / "out").symlink_to(tmp_path / "secret.txt")
    (root / "outside").symlink_to(tmp_path / "assets-private")
    (root / "in.css").symlink_to(root / "plain.css")
    return root


def app_of(root: Path, **options: Any) -> NexiosApp:
    app = NexiosApp()
    app.register(StaticFiles(root, **options), "/static")
    return app


async def get(app: Any, path: str, method: str = "GET", **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return await ask(app, method, path, headers=named, peer=Peer(stays=True))


async def test_files_with_tags_ranges_and_cache_control(assets: Path) -> None:
    app = app_of(assets, cache_control="public, max-age=60")
    answer = await get(app, "/static/plain.css")
    assert (answer.status, answer.body) == (200, b"body{}")
    assert answer.header("content-type") == "text/css; charset=utf-8"
    assert answer.header("cache-control") == "public, max-age=60"
    tag = answer.header("etag") or ""
    again = await get(app, "/static/plain.css", if_none_match=tag)
    assert (again.status, again.header("cache-control")) == (304, "public, max-age=60")
    assert (await get(app, "/static/plain.css", range="bytes=0-3")).body == b"body"
    assert (await get(app, "/static/plain.css", "HEAD")).header("content-length") == "6"
    assert (await get(app, "/static/in.css")).body == b"body{}"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/sub/../../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/..\\secret.txt",
        "/static//plain.css",
        "/static//etc/passwd",
        "/static/./plain.css",
        "/static/sub/./index.html",
        "/static/plain.css/",
        "/static/plain.css\0.png",
        "/static/\0",
        "/static/C:/secret.txt",
        "/static/C:\\secret.txt",
        "/static/../assets-private/key",
        "/static-private/key",
        "/static/out",
        "/static/outside/key",
        "/static/.env",
        "/static/.git/config",
        "/static/sub",
        "/static/sub/",
        "/static",
        "/static/",
        "/static/" + "a" * 5000,
        "/static/" + "a/" * 2000,
        "/static/none",
    ],
)
async def test_static_traversal(assets: Path, path: str) -> None:
    answer = await get(app_of(assets), path)
    assert answer.status in (400, 404)  # 400 where no path may be so, before any route
    assert SECRET not in answer.body
    assert str(assets) not in answer.text


async def test_static_traversal_over_a_real_server(assets: Path) -> None:
    def statuses() -> Iterator[int]:
        with serving(app_of(assets)) as address:
            for path in (
                "/static/%2e%2e/secret.txt",
                "/static/..%5csecret.txt",
                "/static/%2e%2e%2fsecret.txt",
                "/static/%00",
                "/static/%252e%252e/secret.txt",
                f"/static/{assets.parent}/secret.txt",
                "/static/%2Fetc%2Fpasswd",
            ):
                client = http.client.HTTPConnection(address)
                client.request("GET", path)
                answer = client.getresponse()
                assert SECRET not in answer.read()
                client.close()
                yield answer.status

    assert set(await anyio.to_thread.run_sync(lambda: list(statuses()))) <= {400, 404}


async def test_what_was_asked_for_is_served(assets: Path) -> None:
    app = app_of(assets, follow_symlinks=True, hidden=True)
    for path in ("out", "outside/key", ".env", ".git/config"):
        assert (await get(app, f"/static/{path}")).body == SECRET


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("br, gzip", "br", b"BR"),
        ("gzip", "gzip", b"GZ"),
        ("br;q=0, gzip;q=0.5", "gzip", b"GZ"),
        ("*", "br", b"BR"),
        ("*, br;q=0", "gzip", b"GZ"),
        ("gzip;q=0", None, b"let a = 1"),
        ("gzipped", None, b"let a = 1"),
        ("", None, b"let a = 1"),
    ],
)
async def test_static_precompressed(
    assets: Path, accepted: str, coding: str | None, body: bytes
) -> None:
    answer = await get(app_of(assets), "/static/app.js", accept_encoding=accepted)
    assert (answer.header("content-encoding"), answer.body) == (coding, body)
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("vary") == "Accept-Encoding"


async def test_each_coding_has_its_own_tag(assets: Path) -> None:
    app = app_of(assets)
    for name in ("app.js", "app.js.br", "app.js.gz"):
        os.utime(assets / name, (1, 1))
    codings = ("br", "gzip", "")
    tags = {
        (await get(app, "/static/app.js", accept_encoding=one)).header("etag") for one in codings
    }
    assert len(tags) == 3


async def test_static_index_and_own_404(assets: Path) -> None:
    app = app_of(assets, html=True)
    assert (await get(app, "/static/")).body == b"<h1>home</h1>"
    assert (await get(app, "/static/sub/")).body == b"<h1>sub</h1>"
    moved = await get(app, "/static/sub?a=1")
    assert (moved.status, moved.header("location")) == (308, "/static/sub/?a=1")
    root = await get(app, "/static")
    assert (root.status, root.header("location")) == (308, "/static/")
    for path in ("/static/none", "/static/../secret.txt", "/static/.env"):
        gone = await get(app, path)
        assert (gone.status, gone.body) == (404, b"<h1>gone</h1>")


async def test_the_first_folder_that_has_the_file(assets: Path, tmp_path: Path) -> None:
    over = tmp_path / "over"
    over.mkdir()
    (over / "plain.css").write_bytes(b"over")
    app = NexiosApp()
    app.register(StaticFiles(directories=[over, assets]), "/static")
    assert (await get(app, "/static/plain.css")).body == b"over"
    assert (await get(app, "/static/app.js")).body == b"let a = 1"


async def test_other_methods_are_405_and_options_is_answered(assets: Path) -> None:
    app = app_of(assets)
    refused = await get(app, "/static/plain.css", "POST")
    assert (refused.status, refused.header("allow")) == (405, "GET, HEAD, OPTIONS")
    options = await get(app, "/static/plain.css", "OPTIONS")
    assert (options.status, options.header("allow")) == (204, "GET, HEAD, OPTIONS")


async def test_the_app_answers_what_is_missing(assets: Path) -> None:
    app = app_of(assets)

    @app.add_exception_handler(404)
    async def own(request, response, error):  # type: ignore[no-untyped-def]
        return {"mine": True}

    assert (await get(app, "/static/none")).json() == {"mine": True}


async def test_without_an_app_around_it_answers_itself(assets: Path) -> None:
    alone = StaticFiles(assets)
    missing = await get(alone, "/none")
    assert (missing.status, missing.json()["status"]) == (404, 404)
    assert (await get(alone, "/plain.css")).body == b"body{}"
    assert (await get(alone, "/plain.css", range="bytes=9-")).status == 416


async def test_a_missing_directory_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(NoDirectory, match="there is no directory"):
        StaticFiles(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(TypeError, match="needs a directory"):
        StaticFiles()


async def test_the_handler_of_2_11_serves_below_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.warns(DeprecationWarning, match="app.register"):
        handler = StaticFilesHandler(directory=tmp_path, url_prefix="/files/")
    app = NexiosApp()
    app.add_route(Routes("/files/{path:path}", handler, methods=["GET"]))
    assert (await ask(app, "GET", "/files/a.txt", peer=Peer(stays=True))).body == b"a"
    assert (await ask(app, "GET", "/files/../a.txt")).status == 404
    assert (await ask(app, "GET", "/files//a.txt")).status == 404
