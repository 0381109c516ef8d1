from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite

from nexios.adapters.persistence.errors import DatabaseError, MissingCriterion
from nexios.adapters.persistence.mapper import Mapper, unique_name
from nexios.adapters.persistence.operations import (
    DeleteRows,
    InsertRoot,
    InsertRows,
    Tracked,
    UpdateRoot,
    UpdateRow,
    operations,
)
from nexios.adapters.persistence.rows import diff, index
from nexios.domain import AlreadyExists
from nexios.domain.specs import AllOf, AnyOf
from tests.support.shop import (
    LINES,
    ORDERS,
    CustomerId,
    OfCustomer,
    Order,
    OrderMapper,
    Unmapped,
    WithCoupon,
    a_line,
)

MAPPER = OrderMapper()


def sql(spec: Any) -> str:
    text = str(MAPPER.where(spec).compile(dialect=postgresql.dialect()))
    return text.replace("::VARCHAR", "")


def test_leaves_count_null_as_false_so_that_not_is_the_opposite() -> None:
    assert sql(WithCoupon("x")) == "coalesce(orders.coupon = %(coupon_1)s, false)"
    assert sql(~WithCoupon("x")) == "NOT coalesce(orders.coupon = %(coupon_1)s, false)"


def test_combinations_are_composed() -> None:
    both = sql(WithCoupon("x") & OfCustomer(CustomerId.new()))
    assert both.count("coalesce") == 2
    assert " AND " in both
    assert sql(AllOf(())) == "true"
    assert sql(AnyOf(())) == "false"
    assert "1" in str(MAPPER.where(AllOf(())).compile(dialect=sqlite.dialect()))


def test_a_specification_without_sql_shows_the_line_to_add() -> None:
    with pytest.raises(MissingCriterion) as missing:
        sql(Unmapped() | WithCoupon("x"))
    assert str(missing.value) == (
        "OrderMapper has no SQL for Unmapped"
        "\n  fix: criteria = {Unmapped: lambda spec: orders.c....}"
    )


def test_tables_that_cannot_hold_an_aggregate_are_refused_where_the_mapper_is_defined() -> None:
    metadata = MetaData()
    bare = Table("bare", metadata, Column("id", Integer, primary_key=True))
    with pytest.raises(DatabaseError, match='"bare" has no column "version"'):

        class NoVersion(Mapper[Order]):
            root = bare

    with pytest.raises(DatabaseError, match='"loose" does not carry the id of "orders"'):

        class NoKey(OrderMapper):
            children = (Table("loose", metadata, Column("id", Integer, primary_key=True)),)


def test_a_grandchild_carries_the_roots_id_through_the_child() -> None:
    metadata = MetaData()
    top = Table(
        "top",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("version", Integer, nullable=False),
    )
    middle = Table("middle", metadata, Column("top_id", ForeignKey("top.id"), primary_key=True))
    low = Table("low", metadata, Column("m", ForeignKey("middle.top_id"), primary_key=True))

    class Deep(OrderMapper):
        root = top
        children = (low, middle)

    assert {name: column.name for name, column in Deep.root_keys.items()} == {
        "middle": "top_id",
        "low": "m",
    }
    assert [table.name for table in Deep().ordered_children] == ["middle", "low"]


def test_unique_names_are_those_given_or_postgresqls() -> None:
    metadata = MetaData()
    table = Table(
        "t",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("a", String),
        Column("b", String),
        Column("c", String, unique=True),
        Column("d", String),
        UniqueConstraint("a", "b", name="pair"),
        Index("by_d", "d", unique=True),
    )
    assert unique_name(table, ("id",)) == "t_pkey"
    assert unique_name(table, ("a", "b")) == "pair"
    assert unique_name(table, ("c",)) == "t_c_key"
    assert unique_name(table, ("d",)) == "by_d"


def test_constraints_speak_the_mappers_words() -> None:
    error = ValueError()
    assert isinstance(MAPPER.broken("orders_number_key", error), AlreadyExists)
    assert MAPPER.broken("another", error) is error
    assert MAPPER.broken(None, error) is error


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"nowhere": []}, 'rows of "nowhere"'),
        ({"orders": [{"id": 1, "colour": "red"}]}, "no column"),
        ({"orders": [{"number": "1"}]}, "has no 'id', its key"),
        ({"orders": [{"id": 1}, {"id": 1}]}, "two rows"),
    ],
)
def test_a_wrong_dump_is_refused(rows: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        index(rows, MAPPER.tables)


def test_a_diff_holds_the_changed_columns_only() -> None:
    order = Order.open("n1")
    order.put(a_line("a"))
    order.put(a_line("b"))
    before = index(MAPPER.dump(order), MAPPER.tables)
    assert diff(before, index(MAPPER.dump(order), MAPPER.tables), MAPPER.tables) == {}

    order.coupon = "ten"
    order.take_out("a")
    order.put(a_line("c"))
    changed = diff(before, index(MAPPER.dump(order), MAPPER.tables), MAPPER.tables)
    (root,) = changed["orders"].updated
    assert (root.key, root.before, root.after) == (
        {"id": order.id},
        {"coupon": None},
        {"coupon": "ten"},
    )
    lines = changed["order_lines"]
    assert [row["sku"] for row in lines.deleted] == ["a"]
    assert [row["sku"] for row in lines.inserted] == ["c"]
    assert [(row.key["sku"], row.after) for row in lines.updated] == [("b", {"pos": 0})]


def stored(order: Order, version: int = 3) -> Tracked:
    order.version = version
    return Tracked.of_stored(MAPPER, order)


def test_operations_come_roots_first_children_then_and_removed_roots_last() -> None:
    new, changed, gone = Order.open("1"), Order.open("2"), Order.open("3")
    for order in (new, changed, gone):
        order.put(a_line("a"))
    tracked = [stored(gone), stored(changed), Tracked.new(MAPPER, new)]
    tracked[0].removed = True
    changed.take_out("a")
    changed.put(a_line("b"))
    changed.coupon = "x"

    found = operations(tracked)

    roots = [one for one in found if isinstance(one, InsertRoot | UpdateRoot)]
    assert found[: len(roots)] == roots
    ids = [one.row["id"] if isinstance(one, InsertRoot) else one.id for one in roots]
    assert ids == sorted(ids)
    assert isinstance(found[-1], DeleteRows)
    assert (found[-1].table, found[-1].keys) == (ORDERS, ({"id": gone.id},))
    middle = found[len(roots) : -1]
    assert {type(one) for one in middle} == {DeleteRows, InsertRows}
    assert all(not isinstance(one, UpdateRow) and one.table is LINES for one in middle)  # type: ignore[union-attr]
    (guard,) = [one for one in roots if isinstance(one, UpdateRoot) and one.id == gone.id]
    assert (guard.version, guard.values) == (3, {})


def test_an_event_or_a_child_alone_raises_the_version() -> None:
    noted, grown, same = Order.open("1"), Order.open("2"), Order.open("3")
    tracked = [stored(noted), stored(grown), stored(same)]
    tracked[0].events = 1
    grown.put(a_line())
    updates = [one for one in operations(tracked) if isinstance(one, UpdateRoot)]
    assert {one.id for one in updates} == {noted.id, grown.id}
    assert all(one.values == {} for one in updates)
    assert [one.written for one in tracked] == [4, 4, None]


def test_added_and_removed_again_writes_nothing() -> None:
    tracked = Tracked.new(MAPPER, Order.open("1"))
    tracked.removed = True
    assert operations([tracked]) == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({}, "gave 0 rows"),
        ({"orders": [{"id": 1}]}, "another id"),
    ],
)
def test_a_dump_without_its_root_is_refused(rows: dict[str, Any], says: str) -> None:
    class Wrong(OrderMapper):
        audit: ClassVar[bool] = False

        def dump(self, aggregate: Order) -> dict[str, list[dict[str, Any]]]:
            return rows

    with pytest.raises(ValueError, match=says):
        operations([Tracked.new(Wrong(), Order.open("1"))])


def test_what_lies_deep_in_a_document_is_a_snapshot_too() -> None:
    table = Table(
        "documents", MetaData(), Column("id", Integer, primary_key=True), Column("body", JSON)
    )
    body = {"lines": [{"price": 5}]}
    before = index({"documents": [{"id": 1, "body": body}]}, [table])
    body["lines"][0]["price"] = 0
    changed = diff(before, index({"documents": [{"id": 1, "body": body}]}, [table]), [table])
    assert changed["documents"].updated[0].before == {"body": {"lines": [{"price": 5}]}}
