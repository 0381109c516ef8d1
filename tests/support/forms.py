"""Multipart bodies, written out, and a look at the files a process holds open."""

from pathlib import Path
from typing import BinaryIO

BOUNDARY = "XyZ"
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
URLENCODED = {"content-type": "application/x-www-form-urlencoded"}


def part(name: str, content: bytes = b"", *lines: str, filename: str | None = None) -> bytes:
    """Return one part; ``lines`` are further header lines."""
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = "\r\n".join([disposition, *lines])
    return head.encode() + b"\r\n\r\n" + content


def multipart(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """Return a whole body with its closing line."""
    line = b"--" + boundary.encode()
    return b"".join(line + b"\r\n" + one + b"\r\n" for one in parts) + line + b"--\r\n"


def open_full() -> BinaryIO:
    """Open a file on a disk that has no room."""
    return Path("/dev/full").open("r+b")


def names_below(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return [one.name for one in folder.iterdir()]


def open_below(folder: Path) -> list[str]:
    """Return what of ``folder`` this process holds open, files without a name included."""
    held = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # the one that was listing
            continue
        if target.startswith(str(folder)):
            held.append(target)
    return held
