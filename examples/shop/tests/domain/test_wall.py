"""The domain loads no HTTP, no container, no event loop, no store."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

LOADED = """
import importlib, pkgutil, sys
for name in {packages!r}:
    package = importlib.import_module(name)
    for found in pkgutil.iter_modules(package.__path__, name + "."):
        importlib.import_module(found.name)
print("\\n".join(sys.modules))
"""


def loaded_by(*packages: str) -> set[str]:
    """Return what a fresh interpreter has loaded after importing all of ``packages``."""
    # -S: no site-packages, so not even a .pth file can load something of its own.
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOADED.format(packages=packages)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("context", ["orders", "catalog"])
def test_the_domain_loads_only_the_standard_library_and_the_words(context: str) -> None:
    loaded = loaded_by(f"examples.shop.{context}.domain")

    top = {name.partition(".")[0] for name in loaded}
    strangers = top - sys.stdlib_module_names - {"__main__", "examples", "nexios"}
    assert strangers == set()
    # The package's own table of old addresses is texts and the standard library.
    assert {name for name in loaded if name.startswith("nexios.")} - {"nexios.compat"} == {
        name for name in loaded if name.startswith("nexios.domain")
    }
    assert {name for name in loaded if name.startswith("examples.shop.")} <= {
        f"examples.shop.{context}",
        *(name for name in loaded if name.startswith(f"examples.shop.{context}.domain")),
    }
    assert {"asyncio", "http", "socket", "ssl", "sqlite3"}.isdisjoint(top)


@pytest.mark.parametrize("context", ["orders", "catalog"])
def test_use_cases_load_no_adapter_no_container_and_no_third_party_code(context: str) -> None:
    loaded = loaded_by(f"examples.shop.{context}.application")
    top = {name.partition(".")[0] for name in loaded}
    assert top - sys.stdlib_module_names - {"__main__", "examples", "nexios"} == set()
    assert not any(name.startswith(("nexios.adapters", "nexios.container")) for name in loaded)
    assert not any(name.startswith("examples.shop.") and ".adapters" in name for name in loaded)


def test_the_wall_is_not_blind() -> None:
    assert "socket" in loaded_by("examples.shop.orders.domain", "http")
