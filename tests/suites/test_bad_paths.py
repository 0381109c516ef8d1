"""Bad input over real HTTP, by table: paths that would lead out of a folder."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from nexios import NexiosApp, StaticFiles
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
