"""What importing the login costs, and what is said where its libraries are missing."""

import subprocess
import sys

_LIGHT = """
import sys
import nexios.auth.oidc, nexios.auth.backends.oidc
import nexios.adapters.security.oidc, nexios.adapters.security.oauth
heavy = {"authlib", "joserfc", "httpx2", "httpx", "jwt", "cryptography", "redis"}
print(sorted(heavy & set(sys.modules)))
"""
_MISSING = """
import sys
sys.modules[{library!r}] = None
from nexios.adapters.security.oidc import OIDCProvider
try:
    OIDCProvider("idp", issuer="https://idp.example", client_id="a")
except ImportError as missing:
    print(missing)
"""


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_login_loads_no_library() -> None:
    assert said(_LIGHT) == "[]"


def test_a_missing_library_is_named_with_its_extra() -> None:
    for library in ("authlib", "httpx2"):
        assert "fix: pip install 'nexios[oauth]'" in said(_MISSING.format(library=library))
