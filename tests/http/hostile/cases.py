"""The table of the hostile run: name, bytes, and the statuses that answer them."""

import json
from typing import Final

from tests.support.raw import posted, request

MIB: Final = 2**20

# A few statuses differ by the server's parser: it may see the fault first and call it 400.
Case = tuple[bytes, frozenset[int]]


def _(content: bytes, *statuses: int) -> Case:
    return content, frozenset(statuses)


def get(target: bytes, *fields: bytes) -> bytes:
    return request(b"GET " + target + b" HTTP/1.1", *fields)


def chunked(*chunks: bytes, path: bytes = b"/json", end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return request(
        b"POST " + path + b" HTTP/1.1",
        b"Content-Type: application/json",
        b"Transfer-Encoding: chunked",
        body=body,
    )


def lengthy(*lengths: bytes, body: bytes = b"{}") -> bytes:
    fields = [b"Content-Length: " + length for length in lengths]
    return request(b"POST /json HTTP/1.1", b"Content-Type: application/json", *fields, body=body)


def coded(*codings: bytes) -> bytes:
    fields = [b"Transfer-Encoding: " + coding for coding in codings]
    return request(b"POST /json HTTP/1.1", *fields, body=b"2\r\n{}\r\n0\r\n\r\n")


LINES: Final[dict[str, Case]] = {
    "no host": _(request(host=b""), 400),
    "two hosts": _(request(b"GET / HTTP/1.1", b"Host: other.test"), 400),
    "the same host twice": _(request(b"GET / HTTP/1.1", b"Host: shop.test"), 400),
    "host with space": _(request(host=b"a b"), 400),
    "host with userinfo": _(request(host=b"a@evil.test"), 400),
    "host with path": _(request(host=b"a/b"), 400),
    "host with port 99999": _(request(host=b"a:99999"), 400),
    "HTTP/0.9": _(b"GET /\r\n\r\n", 400, 505),
    "HTTP/1.0 without host": _(b"GET / HTTP/1.0\r\n\r\n", 400),
    "HTTP/2.0 on this line": _(request(b"GET / HTTP/2.0"), 400, 505),
    "HTTP/9.9": _(request(b"GET / HTTP/9.9"), 400, 505),
    "HTTP/1.1.1": _(request(b"GET / HTTP/1.1.1"), 400),
    "another protocol": _(request(b"GET / ICE/1.0"), 400),
    "garbage": _(b"\x00\xff\x7f garbage\r\n\r\n", 400),
    "a TLS hello": _(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 99, 400),
    "an SSH greeting": _(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
    "lower-case method": _(request(b"get / HTTP/1.1"), 400, 405),
    "unknown method": _(request(b"FOO / HTTP/1.1"), 400, 405),
    "unknown method on nothing": _(request(b"FOO /none HTTP/1.1"), 400, 404),
    "method of 10,000 letters": _(request(b"A" * 10_000 + b" / HTTP/1.1"), 400, 405),
    "method with a slash": _(request(b"GE/T / HTTP/1.1"), 400),
    "TRACE": _(request(b"TRACE / HTTP/1.1"), 400, 405),
    "CONNECT": _(request(b"CONNECT shop.test:443 HTTP/1.1"), 400, 405),
    "OPTIONS *": _(request(b"OPTIONS * HTTP/1.1"), 204),
    "GET *": _(request(b"GET * HTTP/1.1"), 400),
    "no target": _(request(b"GET  HTTP/1.1"), 400),
    "target without slash": _(request(b"GET foo HTTP/1.1"), 400),
    "target with userinfo": _(request(b"GET //a@evil.test/ HTTP/1.1"), 404),
}

PATHS: Final[dict[str, Case]] = {
    "encoded NUL": _(get(b"/files/a%00b"), 400),
    "raw NUL": _(get(b"/files/a\x00b"), 400),
    "raw control": _(get(b"/files/a\x01b"), 400),
    "encoded CRLF": _(get(b"/files/%0d%0aSet-Cookie:%20a=b"), 400),
    "encoded escape": _(get(b"/files/%1b[31m"), 400),
    "raw UTF-8": _(get("/files/é".encode()), 200, 400),
    "raw Latin-1": _(get(b"/files/\xe9"), 400),
    "invalid UTF-8": _(get(b"/files/%ff"), 400),
    "overlong dots": _(get(b"/files/%c0%ae%c0%ae/"), 400),
    "encoded surrogate": _(get(b"/files/%ed%a0%80"), 400),
    "encoded dots": _(get(b"/files/%2e%2e/%2e%2e/etc/passwd"), 400),
    "half encoded dots": _(get(b"/files/.%2e/x"), 400),
    "dots with encoded slash": _(get(b"/files/..%2f..%2fx"), 400),
    "encoded backslash": _(get(b"/files/..%5cx"), 400),
    "raw backslash": _(get(b"/files/..\\x"), 400),
    "twice encoded dots": _(get(b"/files/%252e%252e/x"), 200),
    "open dots": _(get(b"/../../etc/passwd"), 404),
    "many slashes": _(get(b"/" * 4000), 404),
    "slash redirect elsewhere": _(get(b"//evil.test/slashed/"), 404),
    "int of 5,000 digits": _(get(b"/items/" + b"1" * 5000), 404),
    "int of Arabic digits": _(get(b"/items/%D9%A1"), 404),
    "negative int": _(get(b"/items/-1"), 404),
    "broken percent": _(get(b"/files/%zz%"), 200),
    "target at its limit": _(get(b"/" + b"a" * 8191), 404),
    "target over its limit": _(get(b"/" + b"a" * 8192), 414),
    "query over its limit": _(get(b"/find?q=" + b"a" * 8185), 414),
    "target of 64,000": _(get(b"/" + b"a" * 64_000), 400, 414),
    "deep path": _(get(b"/a" * 4096), 404),
    "deeper path": _(get(b"/a" * 4097), 414),
    "path of rests": _(get(b"/files/" + b"a/" * 4000), 200),
}

QUERIES: Final[dict[str, Case]] = {
    "NUL": _(get(b"/find?q=%00"), 422),
    "raw control": _(get(b"/find?q=\x01"), 400),
    "invalid UTF-8": _(get(b"/find?q=%ff"), 200, 422),
    "257 fields": _(get(b"/find?" + b"a&" * 256 + b"q=1"), 400),
    "256 fields": _(get(b"/find?" + b"a&" * 255 + b"q=1"), 200),
    "8,000 ampersands": _(get(b"/find?" + b"&" * 8000), 200, 400),
    "8,000 equal signs": _(get(b"/find?q" + b"=" * 8000), 200),
    "semicolons": _(get(b"/find?a;b;q=1"), 200),
    "number of 5,000 digits": _(get(b"/find?page=" + b"9" * 5000), 422),
    "number out of range": _(get(b"/find?ratio=1e999"), 422),
    "NaN": _(get(b"/find?ratio=nan"), 422),
    "infinity": _(get(b"/find?ratio=-inf"), 422),
    "markup": _(get(b"/find?page=%3Cscript%3E"), 422),
    "repeated": _(get(b"/find?page=1&page=x"), 422),
    "CRLF into a header": _(get(b"/echo?value=a%0d%0aSet-Cookie:%20x=y"), 422),
    "LF into a header": _(get(b"/echo?value=a%0aX-Evil:%201"), 422),
    "beyond Latin-1 into a header": _(get(b"/echo?value=%E2%82%AC"), 422),
    "CRLF into a redirect": _(get(b"/go?to=/a%0d%0aSet-Cookie:%20x=y"), 302, 422),
    "redirect to another site": _(get(b"/go?to=//evil.test"), 422),
    "redirect by backslash": _(get(b"/go?to=/%5cevil.test"), 422),
    "redirect to a script": _(get(b"/go?to=javascript:alert(1)"), 422),
    "redirect with a tab": _(get(b"/go?to=/%09/evil.test"), 302, 422),
}

FIELDS: Final[dict[str, Case]] = {
    "at the limit": _(get(b"/", b"X-A: " + b"a" * 8192), 200),
    "over the limit": _(get(b"/", b"X-A: " + b"a" * 8193), 431),
    "long name": _(get(b"/", b"X" * 8193 + b": a"), 400, 431),
    "33 KiB in all": _(get(b"/", *[b"X-%d: %s" % (n, b"a" * 8000) for n in range(5)]), 431),
    "100 fields": _(get(b"/", *[b"X-%d: a" % n for n in range(99)]), 200),
    "101 fields": _(get(b"/", *[b"X-%d: a" % n for n in range(100)]), 431),
    "2,000 fields": _(get(b"/", *[b"X-%d: a" % n for n in range(2000)]), 400, 431),
    "underscore": _(get(b"/", b"X_Forwarded_For: 1.2.3.4"), 400),
    "space before colon": _(get(b"/", b"X-A : 1"), 400),
    "no name": _(get(b"/", b": 1"), 400),
    "no colon": _(get(b"/", b"X-A"), 400),
    "name with NUL": _(get(b"/", b"X\x00A: 1"), 400),
    "value with NUL": _(get(b"/", b"X-A: 1\x002"), 400),
    "value with CR": _(get(b"/", b"X-A: 1\rX-B: 2"), 400),
    "value with Latin-1": _(get(b"/", b"X-A: \xe9\xff"), 200),
    "65 cookies": _(get(b"/cookies", b"Cookie: " + b"; ".join([b"a=b"] * 65)), 431),
    "64 cookies": _(get(b"/cookies", b"Cookie: " + b"; ".join([b"a=b"] * 64)), 200),
    "cookies of 16 KiB": _(get(b"/cookies", b"Cookie: a=" + b"b" * 16_384), 431),
    "cookies in three fields": _(get(b"/cookies", *[b"Cookie: a=" + b"b" * 3000] * 3), 431),
    "cookie noise": _(get(b"/cookies", b'Cookie: ;;=;a;b="c;=d;\xff=\xfe; e="\\073"'), 200),
    "quoted cookies": _(get(b"/cookies", b'Cookie: a="' + b"\\" * 8000 + b'"'), 200),
    "broken Basic": _(get(b"/who", b"Authorization: Basic !!!"), 200),
    "Basic without colon": _(get(b"/who", b"Authorization: Basic YWJj"), 200),
    "two tokens": _(get(b"/who", b"Authorization: Bearer a", b"Authorization: Bearer b"), 200),
    "bearer of two words": _(get(b"/who", b"Authorization: bearer  a b"), 200),
    "forwarded junk": _(get(b"/who", b"X-Forwarded-For: ,,, ; drop, ::1%lo, \xff"), 200),
    "8,000 hops": _(get(b"/who", b"X-Forwarded-For: " + b"1," * 4000), 200),
    "forwarded scheme junk": _(get(b"/who", b"X-Forwarded-Proto: javascript"), 200),
    "8,000 accepted types": _(get(b"/none", b"Accept: " + b"a/b," * 2000), 404),
    "if-none-match list": _(get(b"/", b"If-None-Match: " + b'"a",' * 2000), 200),
    "origin null": _(get(b"/", b"Origin: null"), 200),
    "two origins": _(get(b"/", b"Origin: https://page.test", b"Origin: https://page.test"), 200),
    "range": _(get(b"/", b"Range: bytes=" + b"0-0," * 2000), 200),
    "odd expectation": _(get(b"/", b"Expect: 200-maybe"), 200, 417),
    "method override": _(get(b"/", b"X-HTTP-Method-Override: DELETE"), 200),
}

FRAMING: Final[dict[str, Case]] = {
    "length and chunks": _(
        request(
            b"POST /json HTTP/1.1",
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            body=b"0\r\n\r\n",
        ),
        400,
    ),
    "two lengths": _(lengthy(b"2", b"3"), 400),
    "negative length": _(lengthy(b"-1"), 400),
    "signed length": _(lengthy(b"+2"), 400),
    "hexadecimal length": _(lengthy(b"0x2"), 400),
    "fractional length": _(lengthy(b"2.0"), 400),
    "length of 40 digits": _(lengthy(b"9" * 40), 400),
    "gzip and chunked": _(coded(b"gzip, chunked"), 400, 501),
    "chunked twice": _(coded(b"chunked", b"chunked"), 400, 501),
    "xchunked": _(coded(b"xchunked"), 400, 501),
    "chunked with a tail": _(coded(b"chunked;q=1"), 400, 501),
    "identity": _(coded(b"identity"), 400, 501),
    "chunks in HTTP/1.0": _(
        b"POST /json HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400
    ),
    "chunk size of no number": _(chunked(end=b"zz\r\n\r\n"), 400),
    "negative chunk": _(chunked(end=b"-1\r\n\r\n"), 400),
    "chunk size of 17 digits": _(chunked(end=b"f" * 17 + b"\r\n"), 400, 408),
    "chunk longer than it says": _(chunked(end=b"2\r\n{}xx\r\n0\r\n\r\n"), 400),
    "socket handshake by POST": _(
        request(
            b"POST /json HTTP/1.1",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Content-Length: 2",
            body=b"{}",
        ),
        400,
    ),
    "upgrade with a body": _(
        request(
            b"POST /json HTTP/1.1",
            b"Upgrade: h2c",
            b"Connection: Upgrade",
            b"Content-Length: 2",
            body=b"{}",
        ),
        400,
    ),
}


def _body(content: bytes, *statuses: int, path: bytes = b"/json", kind: bytes = b"") -> Case:
    return _(posted(path, content, kind=kind or b"application/json"), *statuses)


def _order(**parts: object) -> bytes:
    return json.dumps({"number": "a", **parts}).encode()


BODIES: Final[dict[str, Case]] = {
    "100,000 brackets": _body(b"[" * 100_000, 400),
    "100,000 brackets, typed": _body(b"[" * 100_000, 400, path=b"/orders"),
    "100,000 objects": _body(b'{"a":' * 100_000, 400),
    "brackets closed": _body(b"[" * 1000 + b"]" * 1000, 400),
    "too many tokens": _body(b"[" + b"1," * 100_001 + b"1]", 400),
    "1e999": _body(b"[1e999]", 400),
    "1e999, typed": _body(b'{"number":"a","total":1e999}', 400, path=b"/orders"),
    "-1E+9999 alone": _body(b"-1E+9999", 400),
    "5,000 digits": _body(b"1" * 5000, 400),
    "5,000 digits, typed": _body(b'{"number":"a","total":' + b"1" * 5000 + b"}", 400),
    "a million digits": _body(b"1" * MIB, 400),
    "NaN": _body(b"NaN", 400),
    "infinity": _body(b"[-Infinity]", 400),
    "invalid UTF-8": _body(b'"\xff"', 400),
    "UTF-16": _body('"a"'.encode("utf-16"), 400),
    "byte order mark": _body(b"\xef\xbb\xbf{}", 400),
    "lone surrogate": _body(b'"\\ud800"', 400),
    "NUL": _body(b'{"a":"\\u0000"}', 422),
    "NUL, typed": _body(b'{"number":"\\u0000"}', 422, path=b"/orders"),
    "NUL in a name": _body(b'{"\\u0000":1}', 422),
    "raw NUL": _body(b"\x00", 400),
    "truncated": _body(b'{"number": "a', 400, path=b"/orders"),
    "trailing text": _body(b"{} {}", 400),
    "not JSON": _body(b"number=a", 400, path=b"/orders"),
    "a megabyte of spaces": _body(b" " * MIB, 400),
    "duplicate names": _body(b'{"number":"a","number":"b"}', 200, path=b"/orders"),
    "names of Python": _body(b'{"__class__":{"__init__":1},"number":"a"}', 200, path=b"/orders"),
    "wrong types": _body(b'{"number":[],"lines":{},"total":"x"}', 422, path=b"/orders"),
    "ten thousand faults": _body(_order(lines=[{"qty": 0}] * 10_000), 422, path=b"/orders"),
    "98,000 faults": _body(_order(lines=[1] * 98_000), 422, path=b"/orders"),
    "text instead": _body(b"{}", 415, path=b"/orders", kind=b"text/plain"),
    "no charset": _body(b"a", 415, path=b"/text", kind=b"text/plain; charset=nonsense"),
    "a charset that is none": _body(
        b"a" * 99, 415, path=b"/text", kind=b"text/plain; charset=idna"
    ),
    "charset with NUL": _body(b"a", 400, 415, path=b"/text", kind=b"text/plain; charset=\x00"),
    "not in its charset": _body(b"\xff", 400, path=b"/text", kind=b"text/plain; charset=utf-8"),
    "compressed": _(
        posted(b"/orders", b"\x1f\x8b\x08", b"Content-Encoding: gzip"),
        415,
    ),
    "two types": _(posted(b"/orders", b"{}", b"Content-Type: text/plain"), 400),
    "at the limit": _body(b" " * (2 * MIB - 2) + b"{}", 200),
    "over the limit": _body(b" " * (2 * MIB + 1), 413),
    "over the limit in chunks": _(chunked(*[b" " * 65_536] * 33), 413),
    "over the limit, streamed": _(chunked(*[b" " * 65_536] * 33, path=b"/stream"), 413),
    "100 GB announced": _(lengthy(b"100000000000"), 413),
    "200,000 tiny chunks": _(chunked(*[b" "] * 200_000, b"{}"), 200, 400, 413),
    "stalled": _(lengthy(b"10", body=b"{"), 408),
    "stalled before the first byte": _(lengthy(b"10", body=b""), 408),
    "stalled chunk": _(chunked(b"{", end=b""), 408),
    "body where none is read": _body(b"x" * 1000, 200, path=b"/unread"),
}

TABLE: Final = {
    f"{group}: {name}": case
    for group, cases in (
        ("line", LINES),
        ("path", PATHS),
        ("query", QUERIES),
        ("field", FIELDS),
        ("framing", FRAMING),
        ("body", BODIES),
    )
    for name, case in cases.items()
}
