"""assert_access: a change of who may pass is a diff somebody reads."""

from pathlib import Path

import pytest

from nexios.app import NexiosApp
from nexios.auth.decorator import has_permission, public
from nexios.testing import assert_access
from tests.auth.test_access import shop


def app(permission: str = "orders:read") -> NexiosApp:
    made = shop()
    made.get("/", guards=[public])(lambda request, response: "")
    made.get("/orders", guards=[has_permission(permission)])(lambda request, response: "")
    return made


def test_who_may_pass_is_a_reviewed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = tmp_path / "access.txt"
    with monkeypatch.context() as writing:
        writing.setenv("NEXIOS_GOLDEN", "write")
        assert_access(app(), golden)
    assert_access(app(), golden)

    assert golden.read_text() == (
        "GET  /        everybody\nGET  /orders  may orders:read  [viewer, clerk, admin]\n"
    )
    with pytest.raises(AssertionError) as failure:
        assert_access(app("orders:write"), golden)
    told = str(failure.value)
    assert told.startswith("who may pass where is not that of ")
    assert "-GET  /orders  may orders:read  [viewer, clerk, admin]" in told
    assert "+GET  /orders  may orders:write  [clerk, admin]" in told
