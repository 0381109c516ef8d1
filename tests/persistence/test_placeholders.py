import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.persistence.errors import PlaceholderMismatch
from nexios.adapters.persistence.placeholders import Store, check_count, scan

PG, LITE = Store.POSTGRESQL, Store.SQLITE

# text, on PostgreSQL, on SQLite; None where the store does not know the form.
SHAPES = [
    ("SELECT ?", "SELECT $1", "SELECT ?"),
    ("SELECT ?, ?", "SELECT $1, $2", "SELECT ?, ?"),
    ("SELECT '?'", "SELECT '?'", "SELECT '?'"),
    ("SELECT 'it''s ?', ?", "SELECT 'it''s ?', $1", "SELECT 'it''s ?', ?"),
    (r"SELECT E'\'?', ?", r"SELECT E'\'?', $1", None),
    (r"SELECT e'\\', ?", r"SELECT e'\\', $1", None),
    (r"SELECT '\', ?", r"SELECT '\', $1", r"SELECT '\', ?"),
    ('SELECT "a?b", ?', 'SELECT "a?b", $1', 'SELECT "a?b", ?'),
    ("SELECT 1 -- ?\n, ?", "SELECT 1 -- ?\n, $1", "SELECT 1 -- ?\n, ?"),
    ("SELECT /* ? */ ?", "SELECT /* ? */ $1", "SELECT /* ? */ ?"),
    ("SELECT /* ? /* ? */ ? */ ?", "SELECT /* ? /* ? */ ? */ $1", None),
    ("SELECT $$?$$, ?", "SELECT $$?$$, $1", None),
    ("SELECT $tag$ ? $$ ? $tag$, ?", "SELECT $tag$ ? $$ ? $tag$, $1", None),
    ("SELECT a$b$ + ?", "SELECT a$b$ + $1", None),
    ("SELECT `a?`, ?", None, "SELECT `a?`, ?"),
    ("SELECT [a?], ?", None, "SELECT [a?], ?"),
    ("SELECT a[?]", "SELECT a[$1]", None),
    ("WHERE tags ?? 'new'", "WHERE tags ? 'new'", None),
    ("WHERE tags ??| ?", "WHERE tags ?| $1", None),
    ("SELECT ?::int", "SELECT $1::int", None),
    ("SELECT ???", "SELECT ?$1", None),
    ("SELECT 'open ?", "SELECT 'open ?", "SELECT 'open ?"),
    ("SELECT /* open ?", "SELECT /* open ?", "SELECT /* open ?"),
]


@pytest.mark.parametrize(("text", "expected"), [(t, p) for t, p, _ in SHAPES if p])
def test_postgres_gets_numbers(text: str, expected: str) -> None:
    assert scan(text, PG).text == expected


@pytest.mark.parametrize(("text", "expected"), [(t, s) for t, _, s in SHAPES if s])
def test_sqlite_keeps_question_marks(text: str, expected: str) -> None:
    assert scan(text, LITE).text == expected


@pytest.mark.parametrize("text", ["SELECT $1", "SELECT ?1", "WHERE a = $12"])
@pytest.mark.parametrize("store", [PG, LITE])
def test_numbered_parameters_are_refused(text: str, store: Store) -> None:
    with pytest.raises(PlaceholderMismatch, match=r"write \? for each value"):
        scan(text, store)


def test_a_dollar_inside_a_name_is_not_a_number() -> None:
    assert scan("SELECT a$1 FROM t WHERE b = ?", PG).count == 1


def test_a_mismatch_shows_each_place() -> None:
    text = "SELECT *\nFROM t WHERE a = ? AND b = ?"
    with pytest.raises(PlaceholderMismatch) as refusal:
        check_count(text, scan(text, PG), [1])

    assert str(refusal.value) == (
        "2 placeholders, 1 value\n"
        "  SELECT *\n"
        "  FROM t WHERE a = ? AND b = ?\n"
        "                   ^         ^"
    )


def test_a_mismatch_points_at_named_parameters() -> None:
    text = "SELECT * FROM t WHERE id = :id AND a::int = 1"
    with pytest.raises(PlaceholderMismatch, match="found :id, write"):
        check_count(text, scan(text, PG), [7])


@pytest.mark.parametrize("args", ["n1", b"n1"])
def test_a_text_is_not_a_list_of_values(args: str) -> None:
    with pytest.raises(PlaceholderMismatch, match=r"write \["):
        check_count("SELECT ?, ?", scan("SELECT ?, ?", PG), args)


@given(st.text(alphabet="?'\"$-/*[]`eE\\ \nab1", max_size=40))
def test_any_text_is_read_without_losing_a_character(text: str) -> None:
    for store in (PG, LITE):
        try:
            found = scan(text, store)
        except PlaceholderMismatch:
            continue
        for at in found.positions:
            assert text[at] == "?"
        if store is LITE:
            assert found.text == text.replace("??", "?") or "??" in text
