"""What the guides under ``docs/`` show is what runs."""

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("container.md", "auth.md", "realtime.md")
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks() -> list[Any]:
    """Return every Python block with its page and number."""
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in (DOCS / name for name in GUIDES)
        for number, text in enumerate(
            re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        )
    ]


@pytest.mark.parametrize("text", blocks())
def test_each_block_runs_by_itself(text: str) -> None:
    names: dict[str, Any] = {"__name__": "docs_page"}
    exec(compile(text, "<docs>", "exec", dont_inherit=True), names)
    for name in ("app", "jobs", "container"):
        found = names.get(name)
        if hasattr(found, "check"):
            found.check()
        elif hasattr(found, "validate"):
            found.validate()
    if "main" in names:
        anyio.run(names["main"])
