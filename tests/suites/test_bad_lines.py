"""Bad input over real HTTP, by table: lines of a head, paths of files, targets of redirects."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from nexios import NexiosApp, Request, Response, StaticFiles
from tests.support.raw import Reply, ask, speak
from tests.support.server import serving

# Headers and cookies: what was sent never becomes a line of the answer.

LINES = ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "\r\n\r\nX-Evil: 1", "a\x0bb")
BEYOND = ("€", "\u2028X-Evil: 1", "嘊嘍X-Evil: 1", "\ud800")


async def told(request: Request) -> str:
    if request.method == "POST":
        return str((await request.json)["value"])
    return str(request.query_params.get("value", ""))


def in_header(response: Response, value: str) -> Response:
    return response.set_header("x-told", value)


def in_name(response: Response, value: str) -> Response:
    return response.set_header(value, "1")


def in_cookie(response: Response, value: str) -> Response:
    return response.set_cookie("told", value)


def in_path(response: Response, value: str) -> Response:
    return response.set_cookie("told", "1", path=value)


def in_file(response: Response, value: str) -> Response:
    return response.file(__file__, filename=value)


def in_location(response: Response, value: str) -> Response:
    return response.redirect(value)


WHERE = {
    "header": in_header,
    "name": in_name,
    "cookie": in_cookie,
    "path": in_path,
    "file": in_file,
    "go": in_location,
}


def echoing() -> NexiosApp:
    app = NexiosApp()

    def route(name: str, put: Callable[[Response, str], Response]) -> None:
        @app.route(f"/{name}", methods=["GET", "POST"], name=name)
        async def handler(request: Request, response: Response) -> Any:
            try:
                put(response, await told(request))
            except ValueError:
                return Response().text("refused", 422)
            return response if name in ("file", "go") else response.text("set")

    for name, put in WHERE.items():
        route(name, put)

    @app.get("/unguarded")
    async def unguarded(request: Request, response: Response) -> Any:
        return response.set_header("x-told", await told(request)).text("set")

    return app


@pytest.fixture(scope="module", params=["httptools", "h11"])
def echo(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "httptools":
        pytest.importorskip("httptools")
    with serving(echoing(), http=request.param) as address:
        yield address


def check_lines(address: str, answer: Reply, evil: str) -> None:
    assert "x-evil" not in answer.headers
    for value in answer.headers.values():
        assert not set(value) & {"\r", "\n", "\x00"}, evil
    assert ask(address, "GET", "/header?value=fine").body == b"set"  # it serves on


@pytest.mark.parametrize("value", [*LINES, *BEYOND])
@pytest.mark.parametrize("where", [one for one in WHERE if one != "go"])
@pytest.mark.parametrize("source", ["query", "body"])
def test_no_value_of_a_request_injects_a_header(
    echo: str, value: str, where: str, source: str
) -> None:
    if source == "query":
        text = quote(value.encode("utf-8", "surrogatepass"), safe="")
        answer = ask(echo, "GET", f"/{where}?value={text}")
    else:
        kind = [("Content-Type", "application/json")]
        answer = ask(echo, "POST", f"/{where}", kind, json.dumps({"value": value}))
    # A file's name is encoded, so that any is possible; what is no text is refused on the way.
    allowed = {200, 422} if where in ("file", "cookie", "path") else {422}
    if value == "\ud800":
        allowed = {200, 400, 422}
    assert answer.status in allowed, answer
    check_lines(echo, answer, value)
    if answer.status == 200 and "set-cookie" in answer.headers:
        assert answer.headers["set-cookie"].count("told=") == 1


@pytest.mark.parametrize("value", LINES)
def test_who_catches_nothing_answers_a_500_and_no_header(echo: str, value: str) -> None:
    text = quote(value, safe="")
    answer = ask(echo, "GET", f"/unguarded?value={text}")
    assert answer.status in (422, 500)
    check_lines(echo, answer, value)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /header\r\nX-Evil: 1 HTTP/1.1",
        b"GET /header\rX-Evil: 1 HTTP/1.1",
        b"GET /header\nX-Evil: 1 HTTP/1.1",
        b"GET /header\x00 HTTP/1.1",
        b"GET /he\x00ader HTTP/1.1",
        b"GET /header%00 HTTP/1.1",
        b"GET /header%0d%0aX-Evil:1 HTTP/1.1",
        b"GET /header HTTP/1.1\x00",
        b"GET\x00/header HTTP/1.1",
        b"GE\rT /header HTTP/1.1",
        b"G\x00ET /header HTTP/1.1",
        b"GET /header HTTP/1.1\rX-Evil: 1",
        b"GET /header HTTP/1.1\x0b",
        b"GET /header?value=a\x00b HTTP/1.1",
        b"GET /header?value=a\rb HTTP/1.1",
        b"GET /header?value=a\x7fb HTTP/1.1",
    ],
)
@pytest.mark.parametrize("field", [b"", b"X-A: a\x00b\r\n", b"X-A: a\rX-Evil: 1\r\n"])
def test_no_request_line_with_controls_is_served(echo: str, line: bytes, field: bytes) -> None:
    content = line + b"\r\nHost: " + echo.encode() + b"\r\n" + field + b"\r\n"
    replies = speak(echo, content, answers=2, timeout=2.0, finish=True)
    assert [status for status in replies.statuses if status not in (400, 414, 505)] == []
    for answer in replies.answers:
        check_lines(echo, answer, line.decode("latin-1"))


# Paths that lead out of a folder.

HIDDEN: Final = b"what nobody may read"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "assets" / "sub").mkdir(parents=True)
    (folder / "assets" / "page.txt").write_bytes(b"page")
    (folder / "assets" / "sub" / "page.txt").write_bytes(b"page")
    (folder / "assets" / ".env").write_bytes(HIDDEN)
    (folder / "assets-private").mkdir()
    for name in ("secret.txt", "assets-private/secret.txt", "C:secret.txt"):
        (folder / name).write_bytes(HIDDEN)
    (folder / "assets" / "link.txt").symlink_to(folder / "secret.txt")
    app = NexiosApp()
    app.register(StaticFiles(folder / "assets"), "/static")

    @app.get("/files/{path:path}")
    async def named(path: str) -> str:
        return path

    with serving(app) as address:
        yield address, folder


UP = (
    "../",
    "%2e%2e/",
    "%2E%2e/",
    ".%2e/",
    "%2e./",
    "..%2f",
    "%2e%2e%2f",
    "..\\",
    "..%5c",
    "%2e%2e%5c",
    "%252e%252e/",
    "%252e%252e%252f",
    "%25%32%65%25%32%65/",
    "..%252f",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "%e0%80%ae%e0%80%ae/",
    "%uff0e%uff0e/",
    "\u2025/",
    "\uff0e\uff0e/",
    "..;/",
    "..%00/",
    "..%0d/",
    "..%09/",
    ".../",
    "....//",
    "..././",
    "./../",
    "sub/../../",
    "sub/%2e%2e/%2e%2e/",
    "//../",
)
WHOLE = (
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "{folder}/secret.txt",
    "%2f{folder}%2fsecret.txt",
    "file:///etc/passwd",
    "file:%2f%2f{folder}/secret.txt",
    "C:secret.txt",
    "C:%5csecret.txt",
    "C:/Windows/win.ini",
    "C%3A%5CWindows%5Cwin.ini",
    "c|/windows/win.ini",
    "%5c%5cserver%5cshare%5csecret.txt",
    "\\\\?\\C:\\secret.txt",
    "page.txt::$DATA",
    "page.txt%00.png",
    "CON",
    "NUL",
    "link.txt",
    ".env",
    "%2eenv",
    "sub/..%2f.env",
)


def leading_out(folder: Path) -> Iterable[str]:
    for times, up in itertools.product((1, 2, 8), UP):
        yield f"/static/{up * times}secret.txt"
        yield f"/static/sub/{up * (times + 1)}secret.txt"
        yield f"/static{up * times}secret.txt"
        yield f"/static/{up * times}assets-private/secret.txt"
        yield f"/static/{up * times}etc/passwd"
    for path in WHOLE:
        yield "/static/" + path.format(folder=folder)
    yield "/static-private/secret.txt"
    yield "/static/../assets-private/secret.txt"


def test_no_path_leads_out_of_its_folder(files: tuple[str, Path]) -> None:
    address, folder = files
    wrong = []
    assert ask(address, "GET", "/static/page.txt").body == b"page"
    asked = sorted(set(leading_out(folder)))
    for path in asked:
        target = path.encode("utf-8").decode("latin-1")
        answer = ask(address, "GET", target)
        if answer.status not in (400, 404) or HIDDEN in answer.body or b"root:" in answer.body:
            wrong.append((path, answer.status))
        if str(folder).encode() in answer.body and str(folder) not in path:
            wrong.append((path, "told the folder"))
    assert wrong == []
    assert len(asked) > 250


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/files/%2e%2e/x", 400),
        ("/files/a%2f..%2fb", 400),
        ("/files/a%5cb", 400),
        ("/files/a\\b", 400),
        ("/files/a%00b", 400),
        ("/files/a%0ab", 400),
        ("/files/%ff", 400),
        ("/files/%c0%ae", 400),
        ("/files/%252e%252e/x", 200),  # decoded once: a name with percent signs
        ("/files/.../x", 200),
    ],
)
def test_no_path_parameter_holds_a_way_up(files: tuple[str, Path], path: str, status: int) -> None:
    answer = ask(files[0], "GET", path)
    assert answer.status == status
    if status == 200:
        assert not {"..", "."} & set(answer.body.decode().split("/"))


# Redirects that would leave the site.

ELSEWHERE = (
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\x00//evil.example",
    "\x01//evil.example",
    "\x7f//evil.example",
    "https://evil.example",
    "HTTPS://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "http://{own}@evil.example",
    "http://{own}:x@evil.example",
    "http://{own}.evil.example",
    "http://{own}%2eevil.example",
    "http://{own}\\@evil.example",
    "http://{own}%5c@evil.example",
    "http://{own}%00.evil.example",
    "http://evil.example#{own}",
    "http://evil.example?{own}",
    "http://evil.example/{own}",
    "http://user@{own}/",
    "http://[evil.example]/",
    "http://[::1]/",
    "http://[::1",
    "http://127.1/",
    "http://2130706433/",
    "http://ｅvil.example",
    "http://evil。example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "javascript://{own}/%0aalert(1)",
    "data:text/html,<script>1</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://{own}/",
    "blob:http://{own}/x",
    "view-source:http://{own}/",
    "mailto:a@evil.example",
)
AT_HOME = (
    "/",
    "/orders?page=2",
    "/a//b",
    "/%2F/evil.example",
    "/%5Cevil.example",
    "/..//evil.example",
    "/@evil.example",
    "/:80",
    " //evil.example",
    "\u2028//evil.example",
    "／／evil.example",
    "/／evil.example",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "http://{own}/orders",
)


@pytest.mark.parametrize("to", ELSEWHERE)
def test_redirects_never_leave_the_site(echo: str, to: str) -> None:
    answer = ask(echo, "GET", "/go?value=" + quote(to.format(own=echo), safe=""))
    assert answer.status == 422, answer
    assert "location" not in answer.headers


@pytest.mark.parametrize("to", AT_HOME)
def test_redirects_to_this_site_are_paths_of_it(echo: str, to: str) -> None:
    answer = ask(echo, "GET", "/go?value=" + quote(to.format(own=echo), safe=""))
    assert answer.status == 302
    where = answer.headers["location"]
    assert where.isascii()
    assert where.isprintable()
    assert not where.startswith(("//", " "))
    assert "\\" not in where
    if where.startswith("http"):
        assert where.startswith(f"http://{echo}/")
