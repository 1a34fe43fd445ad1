"""SQL from parts: what a value or a condition can't break out of."""

from __future__ import annotations

from datetime import date

import pytest

from bronze_engine.errors import ConfigError
from bronze_engine.sources.postgres.query import Origin, Values, first, literal, render_sql, select

pytestmark = pytest.mark.unit

VALUES = Values(run_date=date(2025, 1, 15), low="'1'::bigint", high="'9'::bigint")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "'plain'::text"),
        ("it's", "'it''s'::text"),
        ("back\\slash's", "E'back\\\\slash''s'::text"),
        ("", "''::text"),
        ("two\nlines -- no comment", "'two\nlines -- no comment'::text"),
    ],
)
def test_a_value_stays_within_its_quotes(value: str, written: str) -> None:
    assert literal(value, "text") == written


def test_a_nul_is_refused_before_the_server_sees_it() -> None:
    with pytest.raises(ConfigError, match="NUL"):
        literal("a\0b", "text")


def test_placeholders_become_typed_literals() -> None:
    text = "day = {run_date} and key = {run_date:%Y%m%d} and id > {low} and id <= {high}"
    assert render_sql(text, VALUES) == (
        "day = '2025-01-15'::date and key = '20250115' and id > '1'::bigint and id <= '9'::bigint"
    )


def test_braces_of_sql_are_doubled() -> None:
    assert render_sql("tags && '{{a,b}}'", VALUES) == "tags && '{a,b}'"
    with pytest.raises(ConfigError, match="double it"):
        render_sql("tags && '{a,b}'", VALUES)


def test_a_bound_that_the_run_does_not_have_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"\{low\} has no value.*incremental\.initial"):
        render_sql("id > {low}", Values(run_date=date(2025, 1, 15)))


def test_a_comment_at_the_end_of_a_condition_hides_nothing() -> None:
    origin = Origin.of_table('"public"."orders"', "paid -- really", VALUES)
    assert select(['"id"'], origin, '"id" > 1') == (
        'SELECT "id" FROM "public"."orders" WHERE (\npaid -- really\n) AND "id" > 1'
    )


@pytest.mark.parametrize("end", ["", " ; \n", "; -- all", ";; /* all */ ;"])
def test_a_query_stands_in_brackets_without_its_semicolon(end: str) -> None:
    origin = Origin.of_query(f"SELECT 1 AS id{end}", None, VALUES)
    assert select(['"id"'], origin) == 'SELECT "id" FROM (\nSELECT 1 AS id\n) AS "query"'


def test_rows_without_columns() -> None:
    assert select([], Origin.of_table('"t"', None, VALUES)) == 'SELECT  FROM "t"'


def test_an_order_is_that_of_the_column_and_not_of_how_it_is_printed() -> None:
    origin = Origin.of_table('"t"', None, VALUES)
    assert select(['"id"::text'], origin, order_by=['"id"']) == (
        'SELECT "id"::text AS "column 1" FROM "t" ORDER BY "id"'
    )
    assert first(['"id"::text'], ['"id"'], origin, '"id" > 1', order_by=['"id" DESC']) == (
        'SELECT "id"::text FROM (SELECT "id" FROM "t" WHERE "id" > 1 ORDER BY "id" DESC'
        ' LIMIT 1 OFFSET 0) AS "row"'
    )
