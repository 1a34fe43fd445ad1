"""Names of tables, as the configuration writes them."""

from __future__ import annotations

import pytest

from bronze_engine.model.identifier import RelationName, quote_ident

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("orders", None, "orders"),
        ("Public.Orders", "public", "orders"),
        (' public . "Orders" ', "public", "Orders"),
        ('"Odd Name"."x.y"', "Odd Name", "x.y"),
        ('"a ""b"" c"', None, 'a "b" c'),
        ("_t$1", None, "_t$1"),
        ("Übergröße", None, "Übergröße"),
        ("select", None, "select"),
    ],
)
def test_names_are_read_by_the_rules_of_sql(text: str, schema: str | None, name: str) -> None:
    assert RelationName.parse(text) == RelationName(schema, name)


@pytest.mark.parametrize(
    "text",
    ["", "order-items", "1st", "a b", "a.", ".a", 'a"b"', '"a', '""', "a;drop table b", '"a\0"'],
)
def test_what_is_no_name_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="is no name of a table; write schema"):
        RelationName.parse(text)


def test_a_third_part_is_another_database() -> None:
    with pytest.raises(ValueError, match="3 parts"):
        RelationName.parse("db.public.orders")


@pytest.mark.parametrize("name", ["orders", "Odd Name", 'a"b', "x.y", "'; --"])
def test_a_quoted_name_reads_as_itself(name: str) -> None:
    assert RelationName.parse(quote_ident(name)) == RelationName(None, name)
    relation = RelationName(name, name)
    assert RelationName.parse(relation.quoted) == relation
