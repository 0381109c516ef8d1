"""The import wall: loads modules, or runs tests, where only the allowed can be imported."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import Final

_ALLOWS: Final = "NEXIOS_WALL_ALLOWS"
_ALWAYS: Final = ("nexios.domain", "nexios.layers")
_RUNNER: Final = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")


class ImportRefused(ImportError):
    """A module behind the wall imports what it may not."""

    def __init__(self, module: str, chain: Sequence[str]) -> None:
        self.module = module
        self.chain = tuple(chain)
        super().__init__(module, self.chain)

    def __str__(self) -> str:
        asker = self.chain[0] if self.chain else "the program"
        through = f" through {' → '.join(self.chain[1:])}" if len(self.chain) > 1 else ""
        return (
            f"NX301 {asker} loads {self.module}{through}"
            f"\n  fix: move the import of {self.module} out of the domain"
        )


class Wall(MetaPathFinder):
    """Refuses every import but the standard library, ``nexios.domain`` and ``allows``."""

    def __init__(self, allows: Iterable[str] = ()) -> None:
        """Take the allowed packages, by dotted path; what is below them is allowed too."""
        self._allows = (*_ALWAYS, *allows)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        """Return None (let the next finder look) for the allowed.

        Raises:
            ImportRefused: ``fullname`` is none of them; names who imports it.
        """
        if fullname.partition(".")[0] in sys.stdlib_module_names:
            return
        for allowed in self._allows:
            # A parent of the allowed must load for the allowed to load.
            if _within(fullname, allowed) or _within(allowed, fullname):
                return
        raise ImportRefused(fullname, _importers())


@dataclass(frozen=True, slots=True)
class Loaded:
    """What importing some modules behind the wall brought in.

    Attributes:
        modules: All modules of the fresh interpreter afterwards, sorted.
        foreign: Those that are neither standard library nor allowed.
        refused: The text of the refusal; empty when all went through.
    """

    modules: tuple[str, ...]
    foreign: tuple[str, ...]
    refused: str


def load(modules: Sequence[str], *, allows: Sequence[str] = (), cwd: str | None = None) -> Loaded:
    """Import ``modules`` behind the wall in a fresh interpreter.

    A shared interpreter would have forbidden modules loaded already, and so would not notice.

    Args:
        modules: Dotted names.
        allows: Packages allowed beside the standard library and ``nexios.domain``.
        cwd: Where to run; it is importable there.

    Raises:
        RuntimeError: The interpreter ended without an answer; holds its error output.
    """
    program = (
        "import json, sys\n"
        "from nexios.layers.wall import ImportRefused, Wall\n"
        "names, allows = json.loads(sys.argv[1])\n"
        "before = set(sys.modules)\n"
        "sys.meta_path.insert(0, Wall(allows))\n"
        "refused = ''\n"
        "try:\n"
        "    for name in names: __import__(name)\n"
        "except ImportRefused as refusal: refused = str(refusal)\n"
        "print(json.dumps([sorted(set(sys.modules) - before), refused]))\n"
    )
    done = subprocess.run(  # noqa: S603  # our own interpreter and program
        [sys.executable, "-c", program, json.dumps([list(modules), list(allows)])],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    if done.returncode:
        raise RuntimeError(f"importing {', '.join(modules)} failed:\n{done.stderr}")
    loaded, refused = json.loads(done.stdout.splitlines()[-1])
    inner = (*_ALWAYS, *allows)
    foreign = [
        name
        for name in loaded
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(_within(name, one) or _within(one, name) for one in inner)
    ]
    return Loaded(tuple(loaded), tuple(foreign), refused)


def run_tests(
    paths: Sequence[str], *, allows: Sequence[str] = (), cwd: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pytest on ``paths``, relative to ``cwd``, in a fresh interpreter with the wall up.

    Other plugins stay out: what they import would be loaded behind the wall's back.
    """
    environment = {
        **os.environ,
        _ALLOWS: json.dumps([*allows, *(_dotted(path, cwd) for path in paths)]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", __name__, "-p", "no:cacheprovider"]
    # The project's own options may be those of plugins that stay out.
    command += ["-c", os.devnull, "--rootdir", cwd or ".", "--import-mode=importlib", *paths]
    return subprocess.run(  # noqa: S603  # our own interpreter
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


def pytest_configure() -> None:
    """Put the wall up when pytest loads this file as its plugin (see ``run_tests``)."""
    allows = json.loads(os.environ.get(_ALLOWS, "[]"))
    sys.meta_path.insert(0, Wall((*_RUNNER, *allows)))


def _dotted(path: str, cwd: str | None) -> str:
    # The name pytest's importlib mode gives a test file: its path below the root.
    root = Path(cwd or ".").absolute()
    relative = os.path.relpath(root / path, root).removesuffix(".py")
    return relative.replace(os.sep, ".").strip(".")


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _importers() -> list[str]:
    # The modules whose bodies are running now, outermost first.
    chain: list[str] = []
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001  # the documented way to the caller
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and name != "__main__":
            chain.append(name)
        frame = frame.f_back
    return list(reversed(chain))
