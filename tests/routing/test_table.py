"""Which route answers: precedence, backtracking, methods, borders, hostile paths."""

import itertools
import random
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import pytest

from nexios.adapters.routing.converters import (
    CONVERTOR_TYPES,
    Convertor,
    register_url_convertor,
)
from nexios.adapters.routing.table import Found, MethodMiss, Table
from nexios.adapters.routing.template import Template


def table(*routes: str, mounts: Iterable[str] = ()) -> Table[str]:
    """Return a table of ``"GET /path"`` routes whose targets are these very texts."""
    entries = [
        (Template.parse(r.partition(" ")[2], where=f"at {r}"), r.split(" ")[0], r) for r in routes
    ]
    entries += [(Template.parse(m, mount=True), "*", f"mount {m}") for m in mounts]
    return Table(entries)


def found(made: Table[str], path: str, method: str = "GET") -> tuple[str, dict[str, Any]] | None:
    answer = made.find(path, method)
    if isinstance(answer, Found):
        return answer.target.partition(" ")[2], dict(answer.params)
    assert answer is None or isinstance(answer, MethodMiss)
    return None


def allowed(made: Table[str], path: str, method: str) -> str | None:
    answer = made.find(path, method)
    return answer.allow if isinstance(answer, MethodMiss) else None


def test_static_beats_parameter_registered_first() -> None:
    made = table("GET /u/{id}", "GET /u/me")
    assert found(made, "/u/me") == ("/u/me", {})
    assert found(made, "/u/you") == ("/u/{id}", {"id": "you"})


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["/u/{n:int}", "/u/{s}", "/u/{p:path}"]))
)
def test_typed_beats_str_beats_path_in_any_order(order: tuple[str, ...]) -> None:
    made = table(*(f"GET {path}" for path in order))
    assert found(made, "/u/7") == ("/u/{n:int}", {"n": 7})
    assert found(made, "/u/x") == ("/u/{s}", {"s": "x"})
    assert found(made, "/u/x/y") == ("/u/{p:path}", {"p": "x/y"})
    assert found(made, "/u/") == ("/u/{p:path}", {"p": ""})


@pytest.mark.parametrize("first", ["/{a:int}", "/{b:slug}"])
def test_first_registered_among_equals(first: str) -> None:
    second = {"/{a:int}": "/{b:slug}", "/{b:slug}": "/{a:int}"}[first]
    answer = found(table(f"GET {first}", f"GET {second}"), "/7")
    assert answer is not None
    assert answer[0] == first


def test_backtracks_out_of_a_branch_that_leads_nowhere() -> None:
    made = table("GET /a/b/{x}", "GET /a/{y}/c/d")
    assert found(made, "/a/b/c/d") == ("/a/{y}/c/d", {"y": "b"})
    assert found(made, "/a/b/c") == ("/a/b/{x}", {"x": "c"})


def test_a_rest_in_the_middle_leaves_what_follows_it_and_takes_all_else() -> None:
    made = table("GET /f/{p:path}", "GET /f/{p:path}/edit", "GET /f/{p:path}/v/{n:int}")
    assert found(made, "/f/a/b") == ("/f/{p:path}", {"p": "a/b"})
    assert found(made, "/f/a/edit/edit") == ("/f/{p:path}/edit", {"p": "a/edit"})
    assert found(made, "/f/a/v/3") == ("/f/{p:path}/v/{n:int}", {"p": "a", "n": 3})
    assert found(made, "/f/a/v/edit") == ("/f/{p:path}/edit", {"p": "a/v"})
    assert found(made, "/f//edit") == ("/f/{p:path}/edit", {"p": ""})
    assert found(made, "/f/edit") == ("/f/{p:path}", {"p": "edit"})
    assert found(made, "/f") is None


def test_a_leaf_without_the_method_does_not_hide_the_next_one() -> None:
    made = table("POST /u/me", "GET /u/{id}", "DELETE /u/{p:path}")
    assert found(made, "/u/me", "GET") == ("/u/{id}", {"id": "me"})
    assert found(made, "/u/me", "DELETE") == ("/u/{p:path}", {"p": "me"})


def test_two_methods_of_one_shape_keep_their_own_names() -> None:
    made = table("GET /u/{id:int}", "POST /u/{number:int}")
    assert found(made, "/u/1", "GET") == ("/u/{id:int}", {"id": 1})
    assert found(made, "/u/1", "POST") == ("/u/{number:int}", {"number": 1})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"),
        ("/u/{a}", "/u/{b}"),
        ("/u/{a:int}/x", "/u/{b:int}/x"),
        ("/{a}.{b}", "/{c}.{d}"),
    ],
)
def test_same_shape_and_method_twice_is_a_problem_naming_both_lines(
    first: str, second: str
) -> None:
    made = Table(
        [
            (Template.parse(first, where="app.py:1"), "get", 1),
            (Template.parse(second, where="app.py:2"), "GET", 2),
        ]
    )
    (problem,) = made.problems
    assert (problem.method, problem.first, problem.second) == (
        "GET",
        (first, "app.py:1"),
        (second, "app.py:2"),
    )
    text = str(problem)
    assert "app.py:1" in text
    assert "app.py:2" in text


def test_another_literal_or_converter_is_another_shape() -> None:
    made = table("GET /{a}.{b}", "GET /{a}-{b}", "GET /{a:int}.{b}", "GET /{a}")
    assert made.problems == []


def test_allow_is_the_sorted_union_of_all_leaves_seen() -> None:
    made = table("GET /u/me", "PUT /u/{id}", "DELETE /u/{p:path}", "PATCH /u/{n:int}")
    assert allowed(made, "/u/me", "POST") == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert allowed(made, "/u/7", "POST") == "DELETE, OPTIONS, PATCH, PUT"
    assert allowed(made, "/nope", "POST") is None


def test_a_thousand_wrong_methods_leave_no_trace() -> None:
    made = table("GET /u/{id}")
    for _ in range(1000):
        assert allowed(made, "/u/1", "PUT") == "GET, HEAD, OPTIONS"
    assert found(made, "/u/1") == ("/u/{id}", {"id": "1"})


def test_head_is_automatic_and_an_explicit_one_wins() -> None:
    made = table("GET /a", "GET /b", "HEAD /b", "GET /c/{x}", "HEAD /c/{x}", "POST /d")
    for path, target in (("/a", "GET /a"), ("/b", "HEAD /b"), ("/c/1", "HEAD /c/{x}")):
        answer = made.find(path, "HEAD")
        assert isinstance(answer, Found)
        assert answer.target == target
    assert allowed(made, "/d", "HEAD") == "OPTIONS, POST"


def test_options_without_handler_is_told_apart_by_allow_and_an_explicit_one_wins() -> None:
    made = table("GET /a", "GET /b", "OPTIONS /b")
    assert allowed(made, "/a", "OPTIONS") == "GET, HEAD, OPTIONS"
    assert found(made, "/b", "OPTIONS") == ("/b", {})


@pytest.mark.parametrize("method", ["get", "FOO", "G" * 10_000, "", "*", "GET "])
def test_odd_method_tokens_are_405_where_the_path_is_known(method: str) -> None:
    made = table("GET /a", "GET /b/{x}")
    for path in ("/a", "/b/1"):
        assert allowed(made, path, method) == "GET, HEAD, OPTIONS"
    assert made.find("/missing", method) is None


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("//a", None),
        ("/a//b", None),
        ("/a/../b", None),
        ("/./a", None),
        ("/a/./b", None),
        ("/a/", None),
        ("/A", None),
        ("a", None),
        ("", None),
        ("*", None),
        ("/x/..", "/x/.."),
        ("/y//z", "/y//z"),
    ],
)
def test_nothing_is_normalised(path: str, template: str | None) -> None:
    made = table("GET /a", "GET /a/b", "GET /b", "GET /x/..", "GET /y//z")
    answer = found(made, path)
    assert (answer and answer[0]) == template


def test_an_encoded_slash_arrives_as_one_and_separates() -> None:
    made = table("GET /files/{name}")
    assert found(made, "/files/a/b") is None
    made = table("GET /files/{name}", "GET /files/{p:path}")
    assert found(made, "/files/a/b") == ("/files/{p:path}", {"p": "a/b"})


def test_nul_in_a_path_reaches_no_handler() -> None:
    made = table("GET /f/{name}", "GET /p/{rest:path}", "GET /f/x", mounts=["/m"])
    assert [made.find(path, "GET") for path in ("/f/a\0", "/p/a/\0/b", "/m/\0", "/f/x\0")] == [
        None
    ] * 4


def test_a_str_is_never_empty() -> None:
    assert found(table("GET /u/{id}"), "/u/") is None
    assert found(table("GET /u/{id}/x"), "/u//x") is None


@pytest.mark.parametrize(
    "segment",
    ["1" * 5000, "٣", "²", "-1", "+1", "1_0", " 1", "1 ", "1\n", "0x1", "1.0", "", "１"],
)
def test_hostile_ints_do_not_match(segment: str) -> None:
    assert found(table("GET /n/{n:int}"), f"/n/{segment}") is None


MISMATCHES = {
    "int": ["x", "1.5", ""],
    "float": ["x", "1.", ".5", "1e5", "nan", "inf", "-1", "9" * 400],
    "uuid": ["x", "0" * 31, "g" * 32, "{" + "0" * 32 + "}"],
    "slug": ["A", "a_b", "-a", "a-", "a--b", "é"],
    "date": ["2026-02-30", "2026-1-1", "20260101", "٢٠٢٦-01-01"],
    "datetime": ["2026-01-01", "2026-01-01T25:00:00", "2026-01-01 00:00:00"],
}


@pytest.mark.parametrize(
    ("converter", "text"), [(name, text) for name, texts in MISMATCHES.items() for text in texts]
)
def test_a_mismatch_is_no_match(converter: str, text: str) -> None:
    assert found(table(f"GET /v/{{v:{converter}}}"), f"/v/{text}") is None


@pytest.fixture
def no_new_converters() -> Iterable[None]:
    before = dict(CONVERTOR_TYPES)
    yield
    CONVERTOR_TYPES.clear()
    CONVERTOR_TYPES.update(before)


@pytest.mark.usefixtures("no_new_converters")
def test_a_converter_that_raises_value_error_is_no_match_and_the_search_goes_on() -> None:
    class Even(Convertor[int]):
        regex = "[0-9]+"

        def convert(self, value: str) -> int:
            number = int(value)
            if number % 2:
                raise ValueError
            return number

        def to_string(self, value: int) -> str:
            return str(value)

    register_url_convertor("even", Even())
    made = table("GET /{n:even}", "GET /{s}")
    assert found(made, "/4") == ("/{n:even}", {"n": 4})
    assert found(made, "/5") == ("/{s}", {"s": "5"})


def test_mixed_segments_split_at_the_last_literal() -> None:
    made = table("GET /{name}.{ext}", "GET /v{n:int}", "GET /{y:int}-{m:int}")
    assert found(made, "/a.tar.gz") == ("/{name}.{ext}", {"name": "a.tar", "ext": "gz"})
    assert found(made, "/v12") == ("/v{n:int}", {"n": 12})
    assert found(made, "/2026-02") == ("/{y:int}-{m:int}", {"y": 2026, "m": 2})
    assert found(made, "/a.") is None


def test_a_line_feed_in_a_segment_is_a_character_like_others() -> None:
    assert found(table("GET /{name}.{ext}"), "/a\nb.c") == (
        "/{name}.{ext}",
        {"name": "a\nb", "ext": "c"},
    )


@pytest.mark.parametrize(("size", "matches"), [(254, True), (255, True), (256, False)])
def test_a_mixed_segment_is_no_longer_than_a_file_name(size: int, matches: bool) -> None:
    # Two wildcards backtrack; 8 KiB of them must not be tried in every way.
    name = "a" * (size - 2)
    expected = ("/{name}.{ext}", {"name": name, "ext": "b"}) if matches else None
    assert found(table("GET /{name}.{ext}"), f"/{name}.b") == expected


def counted(run: Callable[[], object]) -> int:
    """Return how many lines of the table ran: cost without a clock."""
    lines = 0

    def local(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return local

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        return local if frame.f_code.co_filename.endswith("table.py") else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return lines


def test_cost_is_flat() -> None:
    def made(number: int) -> Table[str]:
        return table(
            *(f"GET /r{i}/{{id:int}}/x" for i in range(number)),
            *(f"GET /s{i}" for i in range(number)),
        )

    few, many = made(10), made(10_000)
    for path in ("/r9/7/x", "/s9", "/r9/7/nope", "/nope", "/r9/x/x"):
        assert counted(lambda p=path: few.find(p, "GET")) == counted(  # type: ignore[misc]
            lambda p=path: many.find(p, "GET")  # type: ignore[misc]
        )
    hit = counted(lambda: many.find("/r9/7/x", "GET"))
    assert counted(lambda: many.find("/r9/7/nope", "GET")) <= hit * 1.1


def test_a_static_hit_never_searches() -> None:
    assert counted(lambda: table("GET /s", "GET /{x}").find("/s", "GET")) > 0
    made = table("GET /s", "GET /{x}")
    assert counted(lambda: made.find("/s", "GET")) <= 6


def test_long_and_deep_paths_end_where_the_deepest_template_ends() -> None:
    made = table("GET /a/a/{x}", "GET /b/{p:path}/end", "GET /c/{p:path}")
    deep = "/a" * 4096
    assert found(made, deep) is None
    assert counted(lambda: made.find(deep, "GET")) < 100
    assert found(made, "/b" + deep) is None
    assert counted(lambda: made.find("/b" + deep, "GET")) < 100
    answer = found(made, "/c" + deep)
    assert answer is not None
    assert len(answer[1]["p"]) == len(deep) - 1


def test_mounts_come_last_and_end_at_a_segment_border() -> None:
    made = table("GET /api/own", "GET /api/{x}/y", "GET /", mounts=["/api", "/orgs/{org:int}"])
    assert found(made, "/api/own") == ("/api/own", {})
    assert found(made, "/api/1/y") == ("/api/{x}/y", {"x": "1"})
    for path in ("/apix", "/api-x", "/ap", "/orgs/x/y"):
        assert found(made, path) is None
    for path, at in (("/api", "/api"), ("/api/", "/api"), ("/api/a/b", "/api")):
        answer = made.find(path, "ANY")
        assert isinstance(answer, Found)
        assert (answer.target, answer.at) == ("mount /api", at)
    answer = made.find("/orgs/7/deep/er", "GET")
    assert isinstance(answer, Found)
    assert (answer.at, dict(answer.params)) == ("/orgs/7", {"org": 7})


def test_a_mount_at_the_root_takes_what_is_left() -> None:
    made = table("GET /a", "GET /", mounts=["/"])
    assert found(made, "/a") == ("/a", {})
    answer = made.find("/x/y", "GET")
    assert isinstance(answer, Found)
    assert (answer.target, answer.at) == ("mount /", "")
    answer = made.find("/", "PUT")
    assert isinstance(answer, Found)
    assert answer.target == "mount /"


def test_the_longer_mount_wins() -> None:
    made = table(mounts=["/a", "/a/b"])
    answer = made.find("/a/b/c", "GET")
    assert isinstance(answer, Found)
    assert answer.at == "/a/b"


def test_params_of_a_static_route_cannot_leak_into_the_next_request() -> None:
    answer = table("GET /a").find("/a", "GET")
    assert isinstance(answer, Found)
    with pytest.raises(TypeError):
        answer.params["x"] = 1  # type: ignore[index]


def joined(pieces: list[str], most: int) -> list[str]:
    sizes = range(1, most + 1)
    return ["/".join(them) for n in sizes for them in itertools.product(pieces, repeat=n)]


def test_what_is_found_by_its_beginning_is_what_the_search_finds() -> None:
    chance = random.Random(7)
    pieces = ["a", "b", "{x}", "{x:int}", "{x:slug}", "{x:path}"]
    templates = [f"/{text}" for text in joined(pieces, 3) if text.count("{") <= 1]
    paths = joined(["", "a", "b", "7"], 4)
    hits = 0
    for _ in range(60):
        routes = [f"{chance.choice(('GET', 'PUT'))} {one}" for one in chance.sample(templates, 6)]
        mounts = chance.sample(["", "/a", "/b/a"], chance.randrange(2))
        short, slow = table(*routes, mounts=mounts), table(*routes, mounts=mounts)
        hits += len(short._lasts)
        slow._lasts.clear()
        for path in paths:
            for method in ("GET", "PUT", "POST"):
                assert found(short, path, method) == found(slow, path, method), (routes, path)
                assert allowed(short, path, method) == allowed(slow, path, method)
    assert hits


class Anything(Convertor[str]):
    regex = ".*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


@pytest.mark.parametrize(
    ("route", "slashed"),
    [
        ("/", False),
        ("/a", False),
        ("/a/{n:int}", False),
        ("/a/{s}", False),
        ("/a/{f:float}/b", False),
        ("/a/", True),
        ("/a/{n:int}/", True),
        ("/a/{p:path}", True),
        ("/a/{all:anything}", True),
    ],
)
def test_a_table_says_whether_a_path_with_a_slash_at_its_end_can_be_found(
    route: str, slashed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "anything", Anything())
    made = table(f"GET {route}")
    assert made.slashed is slashed
    paths = ("/a/", "/a/1/", "/a/x/", "/a/1.5/", "/a/1.5/b/", "/a/x/y/", "/")
    assert slashed or not any(found(made, path) for path in paths if path != "/")
    assert table("GET /a", mounts=["/m"]).slashed


def test_a_converter_that_cannot_read_nothing_does_not_stop_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class First(Anything):
        def convert(self, value: str) -> str:
            return value[0]

    monkeypatch.setitem(CONVERTOR_TYPES, "first", First())
    made = table("GET /a/{letter:first}")
    assert made.slashed
    assert found(made, "/a/xyz") == ("/a/{letter:first}", {"letter": "x"})


@pytest.mark.parametrize("first", ["/n/{id:int}", "/n/{id:uuid}", "/n/{id:float}"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "segment",
    [
        "", "7", "007", "-7", "7.5", "²", "٣", "７", "a", "7a", "a\x00", "\x00", "fixed",
        "9" * 639, "9" * 640, "9" * 4300, "9" * 5000, "12345678-1234-5678-1234-567812345678",
    ],
)  # fmt: skip
def test_what_is_found_with_little_work_is_what_is_found(
    first: str, method: str, segment: str
) -> None:
    routes = [(first, "GET", "first"), (first, "PUT", "put"), ("/n/{name}", "GET", "name")]
    routes += [("/n/{id:int}/", "GET", "slash"), ("/n/fixed/{id}", "GET", "below")]
    table = Table((Template.parse(path), verb, target) for path, verb, target in routes)
    for path in (f"/n/{segment}", f"/n/{segment}/", segment, f"n/{segment}"):
        found, plain = table.find(path, method), table.plain(path, method)
        if plain is not None:
            assert isinstance(found, Found)
            assert (found.target, found.params) == plain
    if segment == "7" and first == "/n/{id:int}" and method != "DELETE":
        assert table.plain("/n/7", method) == ("put" if method == "PUT" else "first", {"id": 7})
