"""Multipart forms: what is read, what is refused, and that nothing of a refused one is left."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.http import uploads
from nexios.adapters.http.errors import FormTooLarge, MalformedBody, StorageFull
from nexios.adapters.http.multipart import Pair, boundary_of, parameters_of, read_multipart
from nexios.adapters.http.uploads import UploadedFile
from nexios.application.limits import Limits
from tests.support.forms import BOUNDARY, multipart, open_below, open_full, part

LIMITS = Limits()
LINE = f"--{BOUNDARY}".encode()


class Chunks:
    """A body as it arrives. No generator: a reader that stops early leaves nothing to close."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


async def read(*chunks: bytes, limits: Limits = LIMITS) -> list[Pair]:
    return await read_multipart(Chunks(chunks), BOUNDARY.encode(), limits)


async def plain(pairs: list[Pair]) -> list[tuple[str, str | tuple[str, bytes]]]:
    """Return the pairs with files as name and content, and close those."""
    told: list[tuple[str, str | tuple[str, bytes]]] = []
    for name, value in pairs:
        if isinstance(value, UploadedFile):
            told.append((name, (value.filename, await value.read())))
            await value.close()
        else:
            told.append((name, value))
    return told


BODY = multipart(
    part("title", "café".encode()),
    part("a", b"one\r\n--Xy\r\n--XyQ\r\n", "Content-Type: text/plain", filename="a.txt"),
    part("title", b""),
    part("a", b"\x00\xff\r\n-", filename="b.bin"),
    part("none", b"", "Content-Type: application/octet-stream", filename=""),
)
READ = [
    ("title", "café"),
    ("a", ("a.txt", b"one\r\n--Xy\r\n--XyQ\r\n")),
    ("title", ""),
    ("a", ("b.bin", b"\x00\xff\r\n-")),
]


@pytest.mark.anyio
async def test_fields_and_files_come_in_their_order_and_empty_file_inputs_are_none() -> None:
    assert await plain(await read(BODY)) == READ


@pytest.mark.anyio
@given(cuts=st.sets(st.integers(1, len(BODY) - 1)))
async def test_where_the_wire_cuts_a_form_changes_nothing(cuts: set[int]) -> None:
    chunks = [BODY[a:b] for a, b in pairwise([0, *sorted(cuts), len(BODY)])]
    assert await plain(await read(*chunks)) == READ


@pytest.mark.anyio
async def test_byte_by_byte_is_the_same_form() -> None:
    assert await plain(await read(*[bytes([one]) for one in BODY])) == READ


@pytest.mark.anyio
async def test_a_file_has_the_headers_of_its_part() -> None:
    body = multipart(
        part("a", b"x", "Content-Type: Text/HTML; charset=x", "X-Tag: t", filename="f")
    )
    ((_, file),) = await read(body)
    assert isinstance(file, UploadedFile)
    assert (file.content_type, file.headers["x-tag"], file.size) == ("text/html", "t", 1)


@pytest.mark.anyio
async def test_no_bytes_at_all_are_an_empty_form() -> None:
    assert await read() == []
    assert await read(b"", b"") == []
    assert await read(LINE + b"--\r\n") == []


BROKEN = {
    "no closing line": LINE + b"\r\n" + part("a", b"x") + b"\r\n",
    "cut inside a file": LINE + b"\r\n" + part("a", b"x" * 300_000, filename="f"),
    "cut inside a header": LINE + b"\r\nContent-Disp",
    "another boundary": multipart(part("a", b"x"), boundary="other"),
    "text": b"a=1&b=2",
    "part without headers": multipart(b"\r\nx"),
    "no disposition": multipart(b"Content-Type: text/plain\r\n\r\nx"),
    "no name": multipart(b"Content-Disposition: form-data\r\n\r\nx"),
    "no form data": multipart(b'Content-Disposition: attachment; name="a"\r\n\r\nx'),
    "name twice": multipart(b'Content-Disposition: form-data; name="a"; name="b"\r\n\r\nx'),
    "header twice": multipart(part("a", b"x", 'Content-Disposition: form-data; name="b"')),
    "NUL in a name": multipart(part("a\x00b", b"x")),
    "NUL in a file name": multipart(part("a", b"x", filename="a\x00.txt")),
    "line feed in a file name": multipart(part("a", b"x", filename="a\n.txt")),
    "header without colon": multipart(b"Content-Disposition\r\n\r\nx"),
    "folded header": multipart(part("a", b"x", "X-A: b\r\n c: d")),
    "quote left open": multipart(b'Content-Disposition: form-data; name="a\r\n\r\nx'),
    "text behind a quote": multipart(b'Content-Disposition: form-data; name="a"b\r\n\r\nx'),
    "header not UTF-8": multipart(b'Content-Disposition: form-data; name="\xff"\r\n\r\nx'),
    "field not UTF-8": multipart(part("a", b"\xff")),
    "nested multipart": multipart(part("a", b"x", "Content-Type: multipart/mixed; boundary=b")),
    "base64": multipart(part("a", b"eA==", "Content-Transfer-Encoding: base64")),
    "bare line feeds": multipart(part("a", b"x")).replace(b"\r\n", b"\n"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("size", [None, 7])
async def test_broken_multipart_is_malformed_and_leaves_no_file(
    body: bytes, size: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    step = size if size and len(body) < 1000 else 65_536
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    with pytest.raises(MalformedBody):
        await read(*chunks)
    assert open_below(tmp_path) == []


@pytest.mark.anyio
async def test_twenty_thousand_tiny_parts_end_at_the_limit() -> None:
    with pytest.raises(FormTooLarge, match="200 fields"):
        await read(multipart(*[part("a", b"x")] * 20_000))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("/", ""),
        ("..", ""),
        ("a/..", ""),
        ("a/.", ""),
        ('q\\"uoted', 'q"uoted'),
        ("na;me=x.txt", "na;me=x.txt"),
        ("日本.txt", "日本.txt"),
        (".hidden", ".hidden"),
    ],
)
async def test_a_file_name_is_cut_to_its_last_part(sent: str, kept: str) -> None:
    ((_, file),) = await read(multipart(part("a", b"x", filename=sent)))
    assert isinstance(file, UploadedFile)
    assert file.filename == kept


@pytest.mark.anyio
async def test_the_extended_file_name_is_ignored() -> None:
    body = multipart(
        b"Content-Disposition: form-data; name=a; filename=plain; filename*=UTF-8''evil\r\n\r\nx"
    )
    ((_, file),) = await read(body)
    assert isinstance(file, UploadedFile)
    assert file.filename == "plain"


# Each limit: one below, at, one above.


def _fields(count: int) -> bytes:
    return multipart(*[part("a", b"x")] * count)


def _files(count: int) -> bytes:
    return multipart(*[part("a", b"x", filename="f")] * count)


def _name(size: int) -> bytes:
    return multipart(part("n" * size, b"x"))


def _headers(count: int) -> bytes:
    return multipart(part("a", b"x", *[f"X-{n}: y" for n in range(count - 1)]))


def _header(size: int) -> bytes:
    return multipart(part("a", b"x", "X-A:" + "y" * (size - 4)))


def _before(size: int) -> bytes:
    return b"p" * size + b"\r\n" + _fields(1)


def _behind(size: int) -> bytes:
    return _fields(1) + b"e" * size


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "body_of", "limit", "refusal"),
    [
        ({"fields": 5}, _fields, 5, FormTooLarge),
        ({"files": 3}, _files, 3, FormTooLarge),
        ({"field_bytes": 9}, lambda n: multipart(part("a", b"x" * n)), 9, FormTooLarge),
        (
            {"form_memory": 9},
            lambda n: multipart(part("a", b"xxxx"), part("b", b"y" * (n - 4))),
            9,
            FormTooLarge,
        ),
        ({"key_bytes": 9}, _name, 9, FormTooLarge),
        ({"part_headers": 4}, _headers, 4, MalformedBody),
        ({"part_header_bytes": 60}, _header, 60, MalformedBody),
        ({"preamble": 50}, _before, 50, MalformedBody),
        ({"preamble": 50}, _behind, 50, MalformedBody),
        ({}, _fields, LIMITS.fields, FormTooLarge),
        ({}, _files, LIMITS.files, FormTooLarge),
        ({}, lambda n: multipart(part("a", b"x" * n)), LIMITS.field_bytes, FormTooLarge),
        ({}, _name, LIMITS.key_bytes, FormTooLarge),
        ({}, _headers, LIMITS.part_headers, MalformedBody),
        ({}, _header, LIMITS.part_header_bytes, MalformedBody),
        ({}, _before, LIMITS.preamble, MalformedBody),
        ({}, _behind, LIMITS.preamble, MalformedBody),
    ],
)
@pytest.mark.parametrize("step", [11, 1_000_000])
async def test_each_limit_one_below_at_and_one_above(
    limits: dict[str, int],
    body_of,  # type: ignore[no-untyped-def]
    limit: int,
    refusal: type[Exception],
    step: int,
) -> None:
    held = replace(LIMITS, **limits)

    async def take(count: int) -> list[Pair]:
        body = body_of(count)
        return await read(*[body[at : at + step] for at in range(0, len(body), step)], limits=held)

    assert await take(limit - 1)
    assert await take(limit)
    with pytest.raises(refusal):
        await take(limit + 1)


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "on_disk"), [(9, False), (10, False), (11, True)])
async def test_a_file_goes_to_disk_past_the_spool(size: int, on_disk: bool) -> None:
    body = multipart(part("a", b"x" * size, filename="f"))
    ((_, file),) = await read(body[:100], body[100:], limits=replace(LIMITS, spool=10))
    assert isinstance(file, UploadedFile)
    assert (file.on_disk, file.size, await file.read()) == (on_disk, size, b"x" * size)
    await file.close()


@pytest.mark.parametrize("length", [69, 70, 71])
def test_a_boundary_has_at_most_seventy_characters(length: int) -> None:
    kind = f"multipart/form-data; boundary={'b' * length}"
    if length <= 70:
        assert boundary_of(kind, LIMITS) == b"b" * length
        return
    with pytest.raises(MalformedBody):
        boundary_of(kind, LIMITS)


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="a\\r"',
        "multipart/form-data; boundary=é",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=a,b c",
    ],
)
def test_what_is_no_boundary_is_malformed(kind: str) -> None:
    with pytest.raises(MalformedBody):
        boundary_of(kind, LIMITS)


def test_parameters_are_read_in_linear_steps() -> None:
    assert parameters_of('Form-Data ; a = "x;\\"y" ;b=c; ') == (
        "form-data",
        {"a": 'x;"y', "b": "c"},
    )
    for hostile in ('a; b="' + "\\" * 100_001, "a" + "; " * 50_000, 'a; b="' + '\\"' * 50_000):
        with pytest.raises(MalformedBody):
            parameters_of(hostile + "x=")


@pytest.mark.anyio
async def test_full_temporary_disk_is_told_apart_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uploads, "open_temporary", open_full)
    body = multipart(part("a", b"x", filename="a"), part("b", b"y" * 300_000, filename="b"))
    with pytest.raises(StorageFull):
        await read(body)
    assert "no room on the disk" in caplog.text
    assert open_below(Path("/dev/full")) == []


@pytest.mark.anyio
@given(st.binary(max_size=300))
async def test_any_bytes_are_a_form_or_refused(junk: bytes) -> None:
    for body in (junk, LINE + b"\r\n" + junk, BODY[:60] + junk + BODY[60:]):
        try:
            pairs = await read(body)
        except (MalformedBody, FormTooLarge):
            continue
        assert all(name is not None for name, _ in pairs)
