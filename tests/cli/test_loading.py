"""Import strings: what they find, and what the person reads who mistyped one."""

from pathlib import Path

import pytest

from nexios.cli.loading import ApplicationNotFound, load


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"loaded_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "main.py").write_text(
        "async def application(scope, receive, send): ...\n"
        "class Holder:\n    inner = application\n"
        "number = 3\n"
    )
    (folder / "broken.py").write_text("import no_such_library\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_attribute_is_found_in_the_working_directory(package: str) -> None:
    assert load(f"{package}.main:application").__name__ == "application"  # type: ignore[attr-defined]


def test_dotted_attribute_is_followed(package: str) -> None:
    assert callable(load(f"{package}.main:Holder.inner"))


def test_unknown_module_is_named(package: str) -> None:
    with pytest.raises(ApplicationNotFound) as refusal:
        load(f"{package}.mian:app")
    assert f'there is no module "{package}.mian"' in str(refusal.value)


def test_unknown_attribute_shows_the_near_name(package: str) -> None:
    with pytest.raises(ApplicationNotFound) as refusal:
        load(f"{package}.main:aplication")
    assert refusal.value.fix == f"nexios run {package}.main:application"


def test_file_name_is_answered_with_the_import_string() -> None:
    with pytest.raises(ApplicationNotFound) as refusal:
        load("shop/main.py")
    assert refusal.value.fix == "nexios run shop.main:app"


def test_something_else_than_an_application_is_refused(package: str) -> None:
    with pytest.raises(ApplicationNotFound, match="of type int, not an ASGI application"):
        load(f"{package}.main:number")


def test_missing_library_inside_the_module_is_not_hidden(package: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        load(f"{package}.broken:app")
