"""Files that came with a form: in memory while small, then on disk."""

import errno
import io
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from anyio import to_thread
from pydantic_core import PydanticCustomError, SchemaSerializer, core_schema

from nexios.adapters.asgi.annotations import JSON_SCHEMA
from nexios.adapters.asgi.headers import Headers
from nexios.adapters.asgi.types import RawHeader
from nexios.adapters.http.errors import StorageFull
from nexios.application.limits import Limits

_log: Final = logging.getLogger("nexios.http")

_SPOOL: Final = Limits().spool
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def open_temporary() -> BinaryIO:
    """Open a file without a name, where the platform can; it is gone once it is closed."""
    return tempfile.TemporaryFile()


class UploadedFile:
    """One file of a form. It is closed with its request; to keep it, ``save`` it.

    Written as JSON it is its file name.

    Attributes:
        filename: The last part of the name the client gave, "" when there was none. Untrusted:
            an address to store it at is generated, never taken from here.
        content_type: What the client says it is, without parameters; "" when it did not.
        headers: Of this part of the form.
        size: Bytes.
    """

    __slots__ = ("_file", "_on_disk", "_spool", "content_type", "filename", "headers", "size")

    __pydantic_serializer__: ClassVar[SchemaSerializer]

    def __init__(
        self,
        filename: str,
        *,
        content_type: str = "",
        headers: list[RawHeader] | None = None,
        spool: int = _SPOOL,
    ) -> None:
        """Make an empty file; ``spool`` bytes of it stay in memory."""
        self.filename = filename
        self.content_type = content_type
        self.headers = Headers(headers or [])
        self.size = 0
        self._spool = spool
        self._on_disk = False
        self._file: BinaryIO = io.BytesIO()

    @property
    def on_disk(self) -> bool:
        """Whether it has outgrown ``limits.spool``."""
        return self._on_disk

    @property
    def closed(self) -> bool:
        """Whether it is closed, as it is once the request is over."""
        return self._file.closed

    async def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes from where the last call ended; all that is left by default.

        Raises:
            ValueError: The file is closed.
        """
        if self._on_disk:
            return await to_thread.run_sync(self._file.read, size)
        return self._file.read(size)

    async def write(self, data: bytes) -> None:
        """Write at the position; past ``limits.spool`` the file goes to disk.

        Raises:
            StorageFull: There is no room for it on the disk; it is closed.
            ValueError: The file is closed.
        """
        if not self._on_disk and self._file.tell() + len(data) <= self._spool:
            self._file.write(data)
        else:
            await to_thread.run_sync(self._write_to_disk, data)
        self.size = max(self.size, self._file.tell())

    async def seek(self, offset: int) -> None:
        """Go to ``offset`` bytes from the start."""
        if self._on_disk:
            await to_thread.run_sync(self._file.seek, offset)
        else:
            self._file.seek(offset)

    async def save(self, path: str | os.PathLike[str]) -> Path:
        """Copy the whole file to ``path``, replacing what is there, and return that path.

        Raises:
            OSError: It cannot be written there; no part of it is left behind.
        """
        return await to_thread.run_sync(self._copy_to, Path(path))

    async def close(self) -> None:
        """Close it; a file on disk is gone with that."""
        self.discard()

    def discard(self) -> None:
        """Close it without waiting, where a cancelled request cannot wait."""
        # What could not be written is tried again by close(); the file is closed all the same.
        with suppress(OSError):
            self._file.close()

    def _write_to_disk(self, data: bytes) -> None:
        try:
            if not self._on_disk:
                memory, self._file = self._file, open_temporary()
                self._on_disk = True
                position = memory.tell()
                memory.seek(0)
                shutil.copyfileobj(memory, self._file)
                self._file.seek(position)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            self.discard()
            if error.errno not in _FULL:
                raise
            _log.error("no room on the disk for an uploaded file: %s", error)
            raise StorageFull from error

    def _copy_to(self, path: Path) -> Path:
        position = self._file.tell()
        self._file.seek(0)
        try:
            with path.open("wb") as target:
                try:
                    shutil.copyfileobj(self._file, target)
                    target.flush()
                except OSError:
                    path.unlink(missing_ok=True)
                    raise
        finally:
            self._file.seek(position)
        return path

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: object) -> Any:
        """Make it a type of a model's fields, for a model filled from a form."""
        return _SCHEMA

    def __repr__(self) -> str:
        return f"<UploadedFile {self.filename!r}, {self.size} bytes>"


def _file(value: Any) -> UploadedFile:
    if isinstance(value, UploadedFile):
        return value
    raise PydanticCustomError("file_type", "should be a file")


_SCHEMA: Final = core_schema.no_info_plain_validator_function(
    _file,
    serialization=core_schema.plain_serializer_function_ser_schema(lambda file: file.filename),
    metadata={JSON_SCHEMA: {"type": "string", "format": "binary"}},
)
# What `to_json` asks of any class it does not know.
UploadedFile.__pydantic_serializer__ = SchemaSerializer(_SCHEMA)
