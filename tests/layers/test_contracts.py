"""The rules as contracts of import-linter: they hold where ours hold, and break with them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nexios.layers.contracts import contracts
from nexios.layers.imports import check_imports
from tests.support.store import Files


@pytest.fixture
def two(files: Files) -> Files:
    files.write("store/billing/domain/bill.py", "import decimal\n")
    files.write("store/billing/application/bills.py", "import store.orders.api\n")
    files.write("store/billing/module.py", "import store.orders.application.ordering\n")
    files.write("store/orders/api.py")
    files.write("store/orders/domain/events.py")
    files.write("store/billing/application/on.py", "import store.orders.domain.events\n")
    files.write("store/main.py", "import store.billing.module\nimport store.orders.module\n")
    return files


def lint(root: Path, text: str) -> list[str]:
    """Return the names of the broken contracts."""
    (root / "pyproject.toml").write_text(text)
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return [line.partition(" BROKEN")[0] for line in lines if " BROKEN" in line]


def test_a_tidy_application_keeps_all_of_them(two: Files) -> None:
    text = contracts("store")
    assert check_imports("store") == []
    assert lint(two.root, text) == []
    names = [one["name"] for one in tomllib.loads(text)["tool"]["importlinter"]["contracts"]]
    assert [name.partition(":")[0] for name in names] == [
        "NX101, NX102", "NX103", "NX103", "NX104", "NX105", "NX105",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "file", "text"),
    [
        ("NX101", "orders/domain/order.py", "import store.orders.adapters.http.views"),
        ("NX102", "orders/application/ordering.py", "import store.orders.adapters.http.views"),
        ("NX103", "orders/adapters/http/views.py", "import store.orders.adapters.persistence"),
        ("NX104", "orders/domain/order.py", "import sqlalchemy"),
        ("NX105", "billing/application/bills.py", "import store.orders.application.ordering"),
    ],
)
def test_what_breaks_our_rule_breaks_its_contract(
    two: Files, code: str, file: str, text: str
) -> None:
    two.write(f"store/{file}", f"{text}\n")
    assert [one.code for one in check_imports("store")] == [code]
    (broken,) = lint(two.root, contracts("store"))
    assert code in broken


def test_allowed_packages_and_one_context_need_fewer_contracts(files: Files) -> None:
    text = contracts("store", domain_allows=["sqlalchemy"])
    assert "NX104: " not in text
    assert "NX105: " not in text
