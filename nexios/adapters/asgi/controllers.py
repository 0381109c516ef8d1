"""What controller classes of HTTP and of sockets share: class keywords, methods, refusals."""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from nexios.application.spelling import suggestion

KEYWORDS: Final = "__nexios_keywords__"

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class ControllerRefused(TypeError):
    """A controller class that cannot serve; each kind of controller has its own.

    Attributes:
        controller: The class.
        member: Which of its members is wrong.
        says: What is wrong with it.
        fix: What to write instead.
    """

    def __init__(self, controller: type, member: str, says: str, fix: str) -> None:
        self.controller = controller
        self.member = member
        self.says = says
        self.fix = fix
        super().__init__(controller, member, says, fix)

    def __str__(self) -> str:
        place = f"{self.controller.__qualname__}.{self.member}"
        return f"{place}: {self.says}\n  fix: {self.fix}"


# Not in the classes: the container keeps a controller for the whole app only where no method
# of it assigns an attribute.
def note_keywords(
    controller: type,
    given: Mapping[str, Any],
    *,
    known: Collection[str],
    joined: Collection[str],
) -> None:
    """Note the class keywords of a controller with those of its bases.

    Args:
        given: What stands in the ``class`` line.
        known: Names that may stand there.
        joined: Names whose values are put behind those of the bases; others replace them.

    Raises:
        TypeError: A keyword is unknown; the nearest known one is named.
    """
    for name in given:
        if name not in known:
            near = suggestion(name, sorted(known))
            hint = f"; did you mean {near!r}?" if near else ""
            raise TypeError(f"{controller.__qualname__} has no class keyword {name!r}{hint}")
    noted = dict(getattr(controller, KEYWORDS, {}))
    for name, value in given.items():
        noted[name] = _join(noted.get(name), value) if name in joined else value
    if "name" not in given:
        noted.pop("name", None)  # a name belongs to one class
    setattr(controller, KEYWORDS, noted)


def _join(inherited: Any, own: Any) -> Any:
    if inherited is None:
        return own
    if isinstance(own, Mapping):
        return {**inherited, **own}
    return (*inherited, *own)


def is_method(member: object) -> bool:
    """Tell whether what stands in a class body is a function whose first parameter is self."""
    if not inspect.isfunction(member):
        return False
    function: Callable[..., Any] = member
    parameters = list(inspect.signature(function).parameters.values())
    return bool(parameters) and parameters[0].kind in _POSITIONAL


def short_name(cls: type, *suffixes: str) -> str:
    """Return the name of a class in snake case, without the first of ``suffixes`` it ends with."""
    name = cls.__name__
    short = next((name.removesuffix(end) for end in suffixes if name.endswith(end)), name)
    return _HUMP.sub("_", short or name).lower()
