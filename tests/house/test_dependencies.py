"""What the package imports is what it says it needs."""

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Imported by another name than they are installed by; pydantic_core belongs to pydantic, whose
# exact version it pins.
INSTALLED_AS = {
    "dependency_injector": "dependency-injector",
    "jwt": "pyjwt",
    "nats": "nats-py",
    "redis": "redis",
    "pydantic_core": "pydantic",
    "pytest_asyncio": "pytest-asyncio",
    "python_multipart": "python-multipart",
    "opentelemetry": "opentelemetry-api",
    "prometheus_client": "prometheus-client",
    "sentry_sdk": "sentry-sdk",
    "typing_extensions": "typing-extensions",
}
# Loaded where it runs already: nobody needs it who does not use it.
ONLY_WHERE_PRESENT = {"trio"}


def imported() -> dict[str, Path]:
    """Return the top-level packages that any file of ours imports, with one such file."""
    found: dict[str, Path] = {}
    for file in sorted((ROOT / "nexios").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found.update((name.partition(".")[0], file) for name in names)
    return found


def test_every_import_is_declared() -> None:
    texts = [*PROJECT["dependencies"]]
    for name, extra in PROJECT["optional-dependencies"].items():
        texts += extra if name != "dev" else []
    declared = {text.partition(">")[0].partition("[")[0].strip() for text in texts}

    undeclared = {
        name: str(file.relative_to(ROOT))
        for name, file in imported().items()
        if name not in sys.stdlib_module_names | ONLY_WHERE_PRESENT | {"nexios"}
        and INSTALLED_AS.get(name, name) not in declared
    }

    assert undeclared == {}
