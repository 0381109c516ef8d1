"""Bad input over real HTTP, by table: paths that would lead out of a folder or past a guard."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nexios import MakeConfig, NexiosApp, Request, Router, StaticFiles
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from tests.support.credentials import SECRET
from tests.support.raw import ask
from tests.support.server import serving

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


# Guards belong to endpoints, so no spelling of a path walks around one.

GUARDED: Final = "/admin/Secret"


def spellings() -> Iterable[str]:
    yield GUARDED
    for at, character in enumerate(GUARDED):
        for code in (
            f"%{ord(character):02x}",
            f"%{ord(character):02X}",
            f"%25{ord(character):02x}",
        ):
            yield GUARDED[:at] + code + GUARDED[at + 1 :]
    yield "/" + "".join(f"%{ord(character):02x}" for character in GUARDED[1:])
    for more in ("/", "//", "/.", "/..", "%2f", "%20", "%09", ".", ";", ";a=b", "%3b", "%23", "#"):
        yield GUARDED + more
        yield GUARDED.replace("/S", f"{more}/S")
        yield f"{more}{GUARDED}"
    for more in (
        "?",
        "?a=/public",
        "%3f",
        "%00",
        "%0a",
        ".json",
        "~",
        "\\",
        "%5c",
        "\u0130",
        "%ef%bc%8f",
    ):
        yield GUARDED + more
    for within in ("//", "/./", "/x/../", "/%2e/", "/x/%2e%2e/", "\\", "%5c", "/;/", "%c0%af"):
        yield GUARDED.replace("/S", f"{within}S")
        yield f"/public{within}..{GUARDED}"
        yield f"{within}admin/Secret"
    yield GUARDED.lower()
    yield GUARDED.upper()
    yield "/public/../admin/Secret"
    yield "/public/..%2fadmin/Secret"
    yield "/public%2f..%2fadmin%2fSecret"


@pytest.mark.parametrize("slash", ["redirect", "ignore", "strict"])
def test_no_spelling_of_a_path_passes_a_guard(slash: Any) -> None:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET, trailing_slash=slash))
    app.add_middleware(AuthenticationMiddleware(JWTAuthBackend()))
    inner = Router(prefix="/admin", guards=[auth()])
    ran: list[str] = []

    @inner.route("/Secret", methods=["GET", "POST"])
    async def secret(request: Request) -> str:
        ran.append(request.path)
        return "what nobody may read"

    app.mount_router(inner)

    @app.get("/public/{path:path}")
    async def public(path: str) -> str:
        return "public"

    tricks = [
        [],
        [("X-HTTP-Method-Override", "OPTIONS")],
        [("X-Original-URL", "/public/x"), ("X-Rewrite-URL", "/public/x")],
        [("X-Forwarded-Prefix", "/public"), ("X-Forwarded-Host", "localhost")],
    ]
    with serving(app) as address:
        good = [("Authorization", f"Bearer {create_jwt({'sub': 'ada'}, SECRET)}")]
        assert ask(address, "GET", GUARDED, good).status == 200
        assert ran == [GUARDED]
        for path in sorted(set(spellings())):
            answer = ask(address, "GET", path.encode().decode("latin-1"))
            assert answer.status in (200, 307, 308, 400, 401, 404), path
            assert answer.status != 200 or answer.body == b"public", path
        for method in ("GET", "POST", "OPTIONS", "get", "GET "):
            for fields in tricks:
                answer = ask(address, method, GUARDED, fields)
                assert answer.status in (204, 400, 401, 405), (method, fields)
        assert ran == [GUARDED]
