"""What the doors say where their extra is not installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("code", "missing", "says"),
    [
        (
            "from nexios.adapters.observability.prometheus import Metrics; Metrics()",
            "prometheus_client",
            "ImportError: metrics need prometheus_client; fix: pip install 'nexios[metrics]'",
        ),
        (
            "from nexios.adapters.observability.otel import Tracing; Tracing()",
            "opentelemetry",
            "ImportError: traces need opentelemetry-api; fix: pip install 'nexios[otel]'",
        ),
        (
            "from nexios import NexiosApp; NexiosApp().check(); print('well')",
            "prometheus_client",
            "well",
        ),
    ],
)
def test_the_extra_is_named(code: str, missing: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules[{missing!r}] = None\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout + done.stderr).strip().splitlines()[-1] == says


def test_nothing_of_them_is_loaded_by_an_application_that_wants_none() -> None:
    code = (
        "import sys\nfrom nexios import NexiosApp\nNexiosApp().check()\n"
        "print([one for one in ('prometheus_client', 'opentelemetry') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
