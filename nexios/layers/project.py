"""What a project's ``pyproject.toml`` says about its layers."""

import tomllib
from pathlib import Path


def allowed_by_project(folder: Path | None = None) -> tuple[str, ...]:
    """Return ``domain_allows`` of ``[tool.nexios]``: third-party packages a domain may import.

    Args:
        folder: Where ``pyproject.toml`` is looked for; the working directory unless given.

    Raises:
        ValueError: It is no list of names, or the file is no TOML.
    """
    path = (folder or Path.cwd()) / "pyproject.toml"
    if not path.is_file():
        return ()
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("nexios", {})
    allowed = table.get("domain_allows", [])
    if not isinstance(allowed, list) or not all(isinstance(name, str) for name in allowed):
        raise ValueError('domain_allows in [tool.nexios] is a list of names: ["attrs"]')
    return tuple(allowed)
