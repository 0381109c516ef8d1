from pathlib import Path

import pytest

from nexios.layers.wall import load, run_tests

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    domain = tmp_path / "shop" / "domain"
    domain.mkdir(parents=True)
    (domain / "order.py").write_text("from nexios.domain import ValueObject\nimport decimal\n")
    (domain / "bad.py").write_text("import shop.util\n")
    (domain / "late.py").write_text("def late():\n    import anyio\n    return anyio\n")
    (tmp_path / "shop" / "util.py").write_text("import anyio\n")
    return tmp_path


def test_the_domain_loads_no_third_party_module_and_no_event_loop() -> None:
    loaded = load(["nexios.domain"], cwd=str(ROOT))
    assert not loaded.refused
    assert loaded.foreign == ()
    assert not {"asyncio", "sqlite3", "logging", "inspect.x"} & set(loaded.modules)


def test_the_application_loads_anyio_only() -> None:
    loaded = load(["nexios.application"], allows=["nexios.application", "anyio"], cwd=str(ROOT))
    assert not loaded.refused
    assert loaded.foreign == ()


def test_an_allowed_package_passes(shop: Path) -> None:
    assert not load(["shop.domain.order"], allows=["shop.domain"], cwd=str(shop)).refused


def test_a_forbidden_import_is_refused_with_its_chain(shop: Path) -> None:
    refused = load(["shop.domain.bad"], allows=["shop"], cwd=str(shop)).refused
    assert refused == (
        "NX301 shop.domain.bad loads anyio through shop.util"
        "\n  fix: move the import of anyio out of the domain"
    )


def test_a_module_that_is_broken_shows_its_own_error(shop: Path) -> None:
    (shop / "shop" / "broken.py").write_text("1 / 0\n")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        load(["shop.broken"], allows=["shop"], cwd=str(shop))


def test_domain_tests_run_behind_the_wall_and_a_late_import_fails_them(shop: Path) -> None:
    tests = shop / "tests"
    tests.mkdir()
    (tests / "test_good.py").write_text(
        "from shop.domain import order\nimport pytest\ndef test_it(): assert order.ValueObject\n"
    )
    (tests / "test_late.py").write_text(
        "from shop.domain.late import late\ndef test_it(): late()\n"
    )
    good = run_tests(["tests/test_good.py"], allows=["shop.domain"], cwd=str(shop))
    assert good.returncode == 0, good.stdout
    late = run_tests(["tests/test_late.py"], allows=["shop.domain"], cwd=str(shop))
    assert late.returncode == 1, late.stdout
    assert "loads anyio" in late.stdout


def test_our_own_domain_tests_pass_behind_the_wall() -> None:
    done = run_tests(["tests/domain"], cwd=str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
