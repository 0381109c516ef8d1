"""Finds what an import string names: an application, a module, a package."""

import importlib
import inspect
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import cast

from nexios.adapters.asgi.types import ASGIApp
from nexios.app import NexiosApp
from nexios.container.container import Container
from nexios.container.module import Module
from nexios.layers.rules import LayerMap


class ApplicationNotFound(Exception):
    """The import string names nothing that the command can use."""

    def __init__(self, text: str, says: str, fix: str) -> None:
        self.text = text
        self.says = says
        self.fix = fix
        super().__init__(text, says, fix)

    def __str__(self) -> str:
        return f'cannot load "{self.text}": {self.says}\n  fix: {self.fix}'


@dataclass(frozen=True, slots=True)
class Target:
    """What ``check``, ``graph`` and ``explain`` look at.

    Attributes:
        module: The Python module that was imported.
        root: None where the string names a package and no application in it.
    """

    text: str
    module: ModuleType
    root: NexiosApp | Container | Module | None

    @property
    def package(self) -> str:
        """The top package of the code; empty where it is one file."""
        top = self.module.__name__.partition(".")[0]
        return top if hasattr(sys.modules[top], "__path__") else ""

    @property
    def layers(self) -> LayerMap:
        """What the application declares of layers; places and marks alone where it is none."""
        return self.root.layers if isinstance(self.root, NexiosApp | Container) else LayerMap()

    def container(self) -> Container:
        """Return the container, built and proven.

        Raises:
            Exception: What is wrong with wiring and routes.
        """
        if isinstance(self.root, NexiosApp):
            return self.root.container
        container = Container(self.root) if isinstance(self.root, Module) else self.root
        if container is None:
            raise ApplicationNotFound(
                self.text,
                "it is a package without an application",
                f"name the NexiosApp object: {self.text}.main:app",
            )
        container.validate()
        return container


def load(text: str) -> ASGIApp:
    """Import ``package.module:attribute``, looking in the working directory first.

    Raises:
        ApplicationNotFound: Malformed, no such module or attribute, or not an ASGI application.
            An error inside the module comes through as it is.
    """
    name, attribute = _parts(text, "run")
    found = _attribute(text, _module(text, name), attribute or "app", "run")
    if not callable(found):
        raise ApplicationNotFound(
            text,
            f"it is of type {type(found).__name__}, not an ASGI application",
            "name the NexiosApp object",
        )
    return cast("ASGIApp", found)


def load_target(text: str, command: str) -> Target:
    """Import what a command looks at: application, container, module, or a package alone.

    A function that takes nothing and returns one of them is called.

    Args:
        text: ``package.module:attribute``; without attribute it is ``app``.
        command: The name of the command, for the line that mends.

    Raises:
        ApplicationNotFound: It names none of them.
    """
    name, attribute = _parts(text, command)
    module = _module(text, name)
    has_app = isinstance(getattr(module, "app", None), NexiosApp)
    if not attribute and not has_app and hasattr(module, "__path__"):
        return Target(text, module, None)
    found = _attribute(text, module, attribute or "app", command)
    if inspect.isfunction(found) and not _needs_arguments(found):
        found = found()
    if not isinstance(found, NexiosApp | Container | Module):
        raise ApplicationNotFound(
            text,
            f"it is of type {type(found).__name__}, no NexiosApp, Container or Module",
            f"nexios {command} {name}:app, the NexiosApp object",
        )
    return Target(text, module, found)


def _parts(text: str, command: str) -> tuple[str, str]:
    name, _, attribute = text.partition(":")
    if not name or name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".") or "shop.main"
        raise ApplicationNotFound(
            text, "it is no import string", f"nexios {command} {dotted}:{attribute or 'app'}"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return name, attribute


def _attribute(text: str, module: ModuleType, attribute: str, command: str) -> object:
    found: object = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            name = module.__name__
            raise ApplicationNotFound(
                text,
                f'module "{name}" has no attribute "{part}"',
                _near(found, part, name, command),
            ) from None
    return found


def _needs_arguments(function: object) -> bool:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # a function
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(
        one.default is inspect.Parameter.empty and one.kind not in kinds for one in parameters
    )


def _module(text: str, name: str) -> ModuleType:
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


def _near(holder: object, part: str, module: str, command: str) -> str:
    applications = [
        key for key, value in vars(holder).items() if type(value).__name__ == "NexiosApp"
    ]
    near = get_close_matches(part, dir(holder), n=1)
    best = (applications or near or ["app"])[0]
    return f"nexios {command} {module}:{best}"
