"""UploadedFile: a file in memory or on disk, and what becomes of it."""

import json
import tempfile
from pathlib import Path

import pytest

from nexios.adapters.http.response import encode_json
from nexios.adapters.http.uploads import UploadedFile
from tests.support.forms import names_below, open_below


@pytest.mark.anyio
@pytest.mark.parametrize("spool", [0, 4, 100])
async def test_reading_writing_and_seeking_are_the_same_in_memory_and_on_disk(spool: int) -> None:
    file = UploadedFile("a.txt", spool=spool)
    await file.write(b"hello ")
    await file.write(b"world")
    assert file.on_disk == (spool < 11)
    assert file.size == 11
    assert await file.read() == b""
    await file.seek(6)
    assert await file.read(2) == b"wo"
    assert await file.read() == b"rld"
    await file.seek(0)
    await file.write(b"J")
    assert file.size == 11
    await file.seek(0)
    assert await file.read() == b"Jello world"
    await file.close()
    await file.close()
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        await file.read()


@pytest.mark.anyio
async def test_going_to_disk_keeps_the_position() -> None:
    file = UploadedFile("a", spool=4)
    await file.write(b"abcd")
    await file.seek(1)
    await file.write(b"12345")
    await file.seek(0)
    assert await file.read() == b"a12345"
    await file.close()


@pytest.mark.anyio
@pytest.mark.parametrize("spool", [4, 100])
async def test_save_copies_the_whole_file_and_replaces_what_is_there(
    spool: int, tmp_path: Path
) -> None:
    file = UploadedFile("../../evil.txt", spool=spool)
    await file.write(b"0123456789")
    await file.seek(5)
    target = tmp_path / "kept.bin"
    target.write_bytes(b"x" * 100)
    assert await file.save(target) == target
    assert target.read_bytes() == b"0123456789"
    assert await file.read() == b"56789"
    await file.close()


@pytest.mark.anyio
async def test_save_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    file = UploadedFile("a")
    await file.write(b"x")
    with pytest.raises(FileNotFoundError):
        await file.save(tmp_path / "missing" / "a")
    with pytest.raises(IsADirectoryError):
        await file.save(str(tmp_path))
    await file.close()


@pytest.mark.anyio
async def test_a_file_on_disk_has_no_name_there_and_is_gone_when_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = UploadedFile("a", spool=1)
    await file.write(b"xyz")
    assert len(open_below(tmp_path)) == 1
    assert names_below(tmp_path) == []
    await file.close()
    assert open_below(tmp_path) == []


@pytest.mark.anyio
async def test_as_json_it_is_its_file_name() -> None:
    assert json.loads(encode_json({"file": UploadedFile("a.txt")})) == {"file": "a.txt"}
    assert json.loads(encode_json([UploadedFile("b")])) == ["b"]
