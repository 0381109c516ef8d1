"""Finds the application that an import string names."""

import importlib
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from nexios.adapters.asgi.types import ASGIApp


class ApplicationNotFound(Exception):
    """The import string names nothing that can be served."""

    def __init__(self, text: str, says: str, fix: str) -> None:
        self.text = text
        self.says = says
        self.fix = fix
        super().__init__(text, says, fix)

    def __str__(self) -> str:
        return f'cannot load "{self.text}": {self.says}\n  fix: {self.fix}'


def load(text: str) -> ASGIApp:
    """Import ``package.module:attribute``, looking in the working directory first.

    Raises:
        ApplicationNotFound: Malformed, no such module or attribute, or not an ASGI application.
            An error inside the module comes through as it is.
    """
    name, _, attribute = text.partition(":")
    if not name or name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".") or "shop.main"
        raise ApplicationNotFound(
            text, "it is no import string", f"nexios run {dotted}:{attribute or 'app'}"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found: object = _module(text, name)
    for part in (attribute or "app").split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ApplicationNotFound(
                text, f'module "{name}" has no attribute "{part}"', _near(found, part, name)
            ) from None
    if not callable(found):
        raise ApplicationNotFound(
            text,
            f"it is of type {type(found).__name__}, not an ASGI application",
            "name the NexiosApp object",
        )
    return cast("ASGIApp", found)


def _module(text: str, name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise
        raise ApplicationNotFound(
            text,
            f'there is no module "{error.name}" here or among the installed packages',
            "run the command in the folder that holds the package",
        ) from None


def _near(holder: object, part: str, module: str) -> str:
    applications = [
        key for key, value in vars(holder).items() if type(value).__name__ == "NexiosApp"
    ]
    near = get_close_matches(part, dir(holder), n=1)
    best = (applications or near or ["app"])[0]
    return f"nexios run {module}:{best}"
