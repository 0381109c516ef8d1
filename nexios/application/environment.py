"""Settings as text: the ``NEXIOS_*`` variables and the lines of a ``.env`` file."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from nexios.records import dataclass

PREFIX: Final = "NEXIOS_"


@dataclass(frozen=True, slots=True)
class TextSetting:
    """One setting as a person wrote it, with the place it was read from.

    ``path`` is the name in small letters, taken apart at ``__``.
    """

    path: tuple[str, ...]
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class UnreadableSetting:
    """A line or variable that names no setting."""

    name: str
    says: str
    source: str


Setting = TextSetting | UnreadableSetting


def read_variables(environ: Mapping[str, str]) -> Iterator[Setting]:
    """Yield the settings among environment variables, sorted by name."""
    for name in sorted(environ):
        if name.upper().startswith(PREFIX):
            yield _setting(name, environ[name], f"environment variable {name}")


def read_dotenv(path: Path) -> Iterator[Setting]:
    """Yield the settings of a ``.env`` file; nothing when there is no such file.

    Only lines that begin with ``NEXIOS_`` (or ``export NEXIOS_``) are looked at, and nothing is
    put into the environment: the file belongs to other programs too.
    """
    if not path.is_file():
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        yield UnreadableSetting(path.name, f"cannot be read ({error})", f"file {path.name}")
        return
    yield from _read_lines(text.splitlines(), path.name)


def _read_lines(lines: Iterable[str], file: str) -> Iterator[Setting]:
    for number, line in enumerate(lines, 1):
        stripped = line.strip().removeprefix("export ").lstrip()
        if not stripped.upper().startswith(PREFIX):
            continue
        source = f"{file}, line {number}"
        name, equals, value = stripped.partition("=")
        if not equals:
            yield UnreadableSetting(name, "has no value; write NAME=value", source)
            continue
        text = _unquoted(value.strip())
        if text is None:
            yield UnreadableSetting(name.strip(), "has a quote that is not closed", source)
            continue
        yield _setting(name.strip(), text, source)


def _setting(name: str, text: str, source: str) -> Setting:
    path = tuple(part.lower() for part in name[len(PREFIX) :].split("__"))
    if not all(part.isidentifier() for part in path):
        return UnreadableSetting(name, "names no setting", source)
    return TextSetting(path, text, source)


def _unquoted(value: str) -> str | None:
    """Return the value without its quotes or trailing comment; None when a quote stays open."""
    if value[:1] not in ("'", '"'):
        return value.split(" #", 1)[0].rstrip()
    quote = value[0]
    end = value.find(quote, 1)
    while quote == '"' and end > 0 and value[end - 1] == "\\":
        end = value.find(quote, end + 1)
    if end < 0:
        return None
    rest = value[end + 1 :].strip()
    if rest and not rest.startswith("#"):
        return None
    inner = value[1:end]
    if quote == "'":
        return inner
    return inner.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
