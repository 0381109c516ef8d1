import pytest

import nexios
from nexios.layers.imports import CONTAINER_NAMES, check_imports, report_imports
from nexios.layers.project import allowed_by_project
from nexios.layers.rules import Layer
from nexios.testing.purity import assert_layers, assert_pure
from tests.support.store import Files


def codes() -> list[tuple[str, str, int]]:
    return [(one.code, one.file, one.line) for one in check_imports("store")]


def test_a_tidy_application_has_no_findings(files: Files) -> None:
    assert check_imports("store") == []
    assert_layers("store")


def test_domain_file_importing_an_adapter_is_found_without_any_constructor(files: Files) -> None:
    files.write(
        "store/orders/domain/order.py", "\nfrom store.orders.adapters.persistence import orders\n"
    )
    (finding,) = check_imports("store")
    assert str(finding) == (
        "store/orders/domain/order.py:2 NX101 store.orders.domain.order imports "
        "store.orders.adapters.persistence.orders (persistence)"
        "\n  fix: declare a port in store.orders.domain, let the adapter implement it"
    )


def test_an_indirect_import_shows_its_chain(files: Files) -> None:
    files.write("store/util.py", "import store.orders.adapters.persistence.orders\n")
    files.write("store/orders/domain/order.py", "def late():\n    import store.util\n")
    (finding,) = check_imports("store")
    assert finding.code == "NX101"
    assert finding.chain == (
        "store.orders.domain.order → store.util  store/orders/domain/order.py:2",
        "store.util → store.orders.adapters.persistence.orders  store/util.py:1",
    )


def test_the_application_may_not_import_an_adapter(files: Files) -> None:
    files.write(
        "store/orders/application/ordering.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from store.orders.adapters.persistence import orders\n",
    )
    assert codes() == [("NX102", "store/orders/application/ordering.py", 3)]


def test_adapters_may_not_import_their_siblings(files: Files) -> None:
    files.write(
        "store/orders/adapters/http/views.py",
        "from store.orders.adapters.persistence import orders\n",
    )
    assert codes() == [("NX103", "store/orders/adapters/http/views.py", 1)]


def test_the_domain_imports_no_third_party_code_unless_allowed(files: Files) -> None:
    files.write("store/orders/domain/order.py", "import decimal\nimport anyio\n")
    assert codes() == [("NX104", "store/orders/domain/order.py", 2)]
    assert check_imports("store", domain_allows=["anyio"]) == []


def test_the_domain_may_not_import_the_rest_of_nexios(files: Files) -> None:
    files.write(
        "store/orders/domain/order.py",
        "from nexios.domain import Entity\nfrom nexios.application import Caller\n",
    )
    assert [code for code, _, _ in codes()] == ["NX104"]


def test_contexts_meet_at_their_api_only(files: Files) -> None:
    files.write("store/billing/domain/bill.py", "from store.orders.domain import order\n")
    assert codes() == [("NX105", "store/billing/domain/bill.py", 1)]
    files.write("store/orders/api.py", "")
    files.write("store/billing/domain/bill.py", "from store.orders import api\n")
    assert codes() == []


def test_a_context_may_know_the_events_of_another(files: Files) -> None:
    files.write("store/orders/domain/events.py", "")
    files.write("store/billing/domain/events.py", "")
    files.write("store/billing/application/bills.py", "import store.orders.domain.events\n")
    files.write("store/orders/application/ordering.py", "import store.billing.domain.events\n")
    assert codes() == []


def test_contexts_form_no_cycle(files: Files) -> None:
    files.write("store/orders/api.py", "")
    files.write("store/billing/api.py", "")
    files.write("store/billing/domain/bill.py", "from store.orders import api\n")
    files.write("store/orders/application/ordering.py", "from store.billing import api\n")
    (finding,) = check_imports("store")
    assert finding.code == "NX107"
    assert finding.says == "contexts form a cycle: billing → orders → billing"
    assert len(finding.chain) == 2


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nimportlib.import_module('json')\n",
        "\n__import__('json')\n",
        "\nfrom nexios.container import Container\n",
        "\nfrom nexios import Scopes\n",
        "\nfrom nexios import container\n",
        "from importlib import import_module as load\nload('json')\n",
    ],
)
def test_inner_layers_look_nothing_up(files: Files, text: str) -> None:
    files.write("store/orders/application/jobs.py", text)
    assert ("NX106", "store/orders/application/jobs.py", 2) in codes()


def test_a_waiver_needs_a_match_and_a_reason(files: Files) -> None:
    files.write(
        "store/orders/domain/order.py",
        "import anyio  # nexios: allow NX104 because the port comes with issue 9\n",
    )
    assert codes() == []
    files.write("store/orders/domain/order.py", "import anyio  # nexios: allow NX104\n")
    assert [code for code, _, _ in codes()] == ["NX104", "NX108"]
    files.write("store/orders/domain/order.py", "x = 1  # nexios: allow NX104 because why\n")
    (finding,) = check_imports("store")
    assert finding.says == '"nexios: allow NX104" matches nothing'


def test_a_docstring_that_shows_a_waiver_is_none(files: Files) -> None:
    files.write(
        "store/orders/domain/order.py",
        '''"""Say ``# nexios: allow NX104 because ...`` on the line."""\n'''
        "import anyio\n"
        "text = '# nexios: allow NX104 because it is text'\n",
    )
    assert codes() == [("NX104", "store/orders/domain/order.py", 2)]


def test_the_report_names_every_waiver(files: Files) -> None:
    files.write(
        "store/orders/domain/order.py",
        "import anyio  # nexios: allow NX104 because the port comes with issue 9\n",
    )
    (waiver,) = report_imports("store").waivers
    assert (waiver.code, waiver.line, waiver.used) == ("NX104", 1, True)
    assert waiver.reason == "the port comes with issue 9"


def test_the_names_of_the_container_are_those_that_the_face_hands_on() -> None:
    handed_on = {
        name
        for home, names in nexios._HOMES.items()
        if home.startswith("nexios.container.")
        for name in names.split()
    }
    assert handed_on == CONTAINER_NAMES


def test_the_assertion_lists_all_findings(files: Files) -> None:
    files.write("store/orders/domain/order.py", "import anyio\nimport sqlalchemy\n")
    with pytest.raises(AssertionError, match="2 layer findings in store"):
        assert_layers("store")


def test_declared_layers_hold_for_imports_too(files: Files) -> None:
    files.write("store/core.py", "import store.orders.adapters.persistence.orders\n")
    assert_layers("store")
    with pytest.raises(AssertionError, match="NX102"):
        assert_layers("store", layers={"store.core": Layer.APPLICATION})


def test_what_the_domain_may_import_is_read_from_the_project(files: Files) -> None:
    files.write("store/orders/domain/order.py", "import anyio\n")
    (files.root / "pyproject.toml").write_text('[tool.nexios]\ndomain_allows = ["anyio"]\n')
    assert_layers("store")
    with pytest.raises(AssertionError, match="NX104"):
        assert_layers("store", domain_allows=[])


@pytest.mark.parametrize("value", ['"anyio"', "[1]"])
def test_domain_allows_that_is_no_list_of_names_is_refused(files: Files, value: str) -> None:
    (files.root / "pyproject.toml").write_text(f"[tool.nexios]\ndomain_allows = {value}\n")
    with pytest.raises(ValueError, match="a list of names"):
        allowed_by_project()


def test_purity_is_asserted_in_a_fresh_interpreter() -> None:
    assert_pure("nexios.domain")
    assert_pure("nexios.application", allows=["anyio"])
    with pytest.raises(AssertionError, match="loads sqlalchemy"):
        assert_pure("nexios.adapters.persistence.rows", allows=["nexios"])
