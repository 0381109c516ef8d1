"""Bad input over real HTTP, by table: origins of pages, and tokens against cross-site requests."""

import http.client
import itertools
import json
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

from nexios import MakeConfig, NexiosApp, Request
from nexios.auth.backends.apikey import APIKeyAuthBackend
from nexios.auth.backends.basic import BasicAuthBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import SessionAuthBackend, login
from nexios.middleware.csrf import CSRFMiddleware
from nexios.middleware.session import SessionMiddleware
from tests.support.credentials import SECRET, bank, cookie_in
from tests.support.raw import ask
from tests.support.server import serving

Fields = list[tuple[str, str]]

# Origins: Sec-Fetch-Site x Origin x method x credential.

SITES = (None, "same-origin", "none", "same-site", "cross-site", "Same-Origin", "", "twice")
ORIGINS = (None, "own", "trusted", "evil", "null", "", "own twice", "port", "suffix")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CREDENTIALS = ("none", "session", "bearer", "key", "basic", "session and bearer")
TRUSTED = "https://partner.example"


def origin_fields(site: str | None, origin: str | None, own: str) -> Fields:
    fields: Fields = []
    if site == "twice":
        fields += [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")]
    elif site is not None:
        fields.append(("Sec-Fetch-Site", site))
    told = {
        None: [],
        "own": [own],
        "trusted": [TRUSTED],
        "evil": ["https://evil.example"],
        "null": ["null"],
        "": [""],
        "own twice": ["https://evil.example", own],
        "port": [own.rpartition(":")[0]],
        "suffix": [f"{own}.evil.example"],
    }[origin]
    return fields + [("Origin", one) for one in told]


def evidence(site: str | None, origin: str | None) -> bool:
    """Return what the security page says in 4.2, written down a second time."""
    if site == "twice" or origin == "own twice":
        return False
    if site in ("same-origin", "none") or origin == "trusted":
        return True
    if site is not None:
        return False
    return origin in (None, "own")


def expected(site: str | None, origin: str | None, method: str, credential: str) -> int:
    if credential == "none":
        return 401
    cookie_alone = credential == "session"
    safe = method in ("GET", "HEAD")
    return 200 if safe or not cookie_alone or evidence(site, origin) else 403


def test_origin_matrix() -> None:
    app = bank(
        SessionAuthBackend(),
        JWTAuthBackend(lambda sub: {"id": sub}),
        APIKeyAuthBackend(lambda key: {"id": key}),
        BasicAuthBackend(lambda username, password: {"id": username}),
        csrf={"trusted_origins": [TRUSTED]},
    )
    bearer = ("Authorization", f"Bearer {create_jwt({'sub': 'ada'}, SECRET)}")
    wrong: list[object] = []
    with serving(app) as address, ExitStack() as ended:
        line = http.client.HTTPConnection(address, timeout=20)
        ended.callback(lambda: line.close())

        def status(method: str, path: str, fields: Fields) -> tuple[int, str]:
            line.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (*fields, ("Content-Length", "0")):
                line.putheader(name, value)
            line.endheaders()
            answer = line.getresponse()
            return answer.status, answer.read().decode()

        session = (
            "Cookie",
            "session_id=" + cookie_in(ask(address, "POST", "/login/ada"), "session_id"),
        )
        carried: dict[str, Fields] = {
            "none": [],
            "session": [session],
            "bearer": [bearer],
            "key": [("X-API-Key", "ada")],
            "basic": [("Authorization", "Basic YWRhOmE=")],
            "session and bearer": [session, bearer],
        }
        for cell in itertools.product(SITES, ORIGINS, METHODS, CREDENTIALS):
            site, origin, method, credential = cell
            fields = carried[credential] + origin_fields(site, origin, f"http://{address}")
            found, body = status(method, "/me", fields)
            if found != expected(*cell):
                wrong.append((*cell, found))
            if found == 403 and not body.count("cross-site-request"):
                wrong.append((*cell, body))
        for site, origin in itertools.product(SITES, ORIGINS):
            # Login and logout obey the rule for everybody, anonymous visitors too.
            fields = origin_fields(site, origin, f"http://{address}")
            for path in ("/login/eve", "/logout"):
                found, _ = status("POST", path, fields)
                if found != (200 if evidence(site, origin) else 403):
                    wrong.append((site, origin, path, found))
    assert wrong == []


# CSRF: cookie x token x where it is carried x whose it is x which urls.

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "b0undary"


def forms(**keys: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    app.add_middleware(CSRFMiddleware(**keys))
    app.add_middleware(SessionMiddleware())

    @app.get("/form")
    async def form(request: Request) -> str:
        return str(request.state.csrf_token)

    async def taken(request: Request) -> dict[str, Any]:
        return {"to": (await request.form).get("to")}

    for path in ("/pay", "/hook", "/required/pay", "/required/hook"):
        app.route(path, methods=["POST", "PUT", "PATCH", "DELETE"])(taken)

    @app.post("/login/{name}")
    async def log_in(request: Request, name: str) -> str:
        login(request, {"id": name})
        return "in"

    return app


def carried(where: str, token: str) -> tuple[Fields, str]:
    """Return fields and body of a form that carries a token so."""
    if where == "header":
        return [("X-CSRFToken", token), ("Content-Type", FORM)], "to=ada"
    if where == "field":
        return [("Content-Type", FORM)], urlencode({"to": "ada", "csrftoken": token})
    if where == "multipart":
        parts = "".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("to", "ada"), ("csrftoken", token))
        )
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return [("Content-Type", kind)], f"{parts}--{BOUNDARY}--\r\n"
    if where == "query":
        return [("Content-Type", FORM)], "to=ada"
    if where == "JSON":
        return [("Content-Type", "application/json")], json.dumps({"csrftoken": token})
    if where == "text":
        return [("Content-Type", "text/plain")], urlencode({"to": "ada", "csrftoken": token})
    return [("Content-Type", FORM)], "to=ada"  # nowhere


READ = ("header", "field", "multipart")
CARRIERS = (*READ, "query", "JSON", "text", "nowhere")
TOKENS = ("own", "own of another tab", "of another client", "of before the login", "cut", "empty")


def test_csrf_matrix() -> None:
    app = forms(required_urls=["/pay", "/required/*"], exempt_urls=["^/required/hook$"])
    wrong: list[object] = []
    with serving(app) as address:

        def page(fields: Fields = []) -> tuple[str, str | None]:  # noqa: B006  # never changed
            got = ask(address, "GET", "/form", fields)
            told = got.headers.get("set-cookie")
            return got.body.decode(), None if told is None else cookie_in(got, "csrftoken")

        before, before_cookie = page()
        session = cookie_in(ask(address, "POST", "/login/ada"), "session_id")
        logged_in = ("Cookie", f"session_id={session}")
        own, cookie = page([logged_in])
        assert cookie is not None
        mine = ("Cookie", f"session_id={session}; csrftoken={cookie}")
        second, again = page([mine])
        assert again is None
        theirs, their_cookie = page()
        tokens = {
            "own": own,
            "own of another tab": second,
            "of another client": theirs,
            "of before the login": before,
            "cut": own[:-4],
            "empty": "",
        }
        cookies: dict[str, Fields] = {
            "own": [mine],
            "none": [logged_in],
            "of another client": [("Cookie", f"session_id={session}; csrftoken={their_cookie}")],
            "of before the login": [
                ("Cookie", f"session_id={session}; csrftoken={before_cookie}")
            ],
            "made up": [("Cookie", f"session_id={session}; csrftoken=x.y.z")],
        }
        urls = {"/pay": True, "/hook": False, "/required/pay": True, "/required/hook": False}
        for cell in itertools.product(cookies, TOKENS, CARRIERS, urls):
            with_cookie, token, where, url = cell
            fields, body = carried(where, tokens[token])
            target = f"{url}?csrftoken={tokens[token]}" if where == "query" else url
            got = ask(address, "POST", target, [*cookies[with_cookie], *fields], body)
            good = (
                with_cookie == "own" and token in ("own", "own of another tab") and where in READ
            )
            if got.status != (200 if good or not urls[url] else 403):
                wrong.append((*cell, got.status))
            if got.status == 200 and where in READ and json.loads(got.body) != {"to": "ada"}:
                wrong.append((*cell, got.body))
        for method in ("PUT", "PATCH", "DELETE"):
            for token in ("own", "cut"):
                fields, body = carried("header", tokens[token])
                found = ask(address, method, "/pay", [mine, *fields], body).status
                if found != (200 if token == "own" else 403):
                    wrong.append((method, token, found))
        # A good token of a foreign page is refused all the same.
        fields, body = carried("header", own)
        evil = ("Origin", "https://evil.example")
        assert ask(address, "POST", "/pay", [mine, *fields, evil], body).status == 403
    assert wrong == []
