"""A condition that would step out of its brackets is found, by each database's own quotes."""

from __future__ import annotations

import re

import pytest

from bronze_engine.config.database.sql import bracket_fault, ended, is_inside

pytestmark = pytest.mark.unit

UNKNOWN = "/opt/lib/libdriver.so"
EVERY = ("postgresql", "duckdb", "sqlite", "snowflake", "bigquery", "flightsql", UNKNOWN)


@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a = 1) OR (b = 2", "closes a bracket that it did not open, at character 6"),
        ("a = 1\n) OR (b = 2", "closes a bracket that it did not open, in line 2, character 1"),
        ("(a = 1) OR (b = 2", "does not close the bracket at character 12"),
        ("(a = 1 -- )", "does not close the bracket at character 1"),
        ("a = 'x", "has no end to the ' at character 5"),
        ("a = 1 /* for now", "has no end to the /* at character 7"),
        ("a = ')' OR b = 1) OR (c = 2", "closes a bracket that it did not open, at character 17"),
    ],
)
def test_what_would_step_out_is_found(driver: str, text: str, fault: str) -> None:
    assert bracket_fault(text, driver) == fault


@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize(
    "text",
    [
        "a IN (1, 2) AND (b OR (c))",
        "a = ':)' OR b = '(' -- a smile :)",
        "a /* :( */ = 1 -- don't",
        "a = ''",
    ],
)
def test_brackets_of_texts_and_comments_are_none(driver: str, text: str) -> None:
    assert bracket_fault(text, driver) is None


@pytest.mark.parametrize(
    ("driver", "text", "is_right"),
    [
        ("postgresql", r"a = '\' OR (b)", True),  # a backslash is a backslash
        ("postgresql", r"a = E'\')'", True),
        ("postgresql", r"namE'\' OR (b)", True),  # no E of its own
        ("postgresql", r"a = 'it\'s :)'", True),  # standard_conforming_strings = off
        ("postgresql", "a = $$it's :)$$ AND b = $x$ $$ ) $x$", True),
        ("postgresql", "a$b$ = 1) OR (c$b$ = 2", False),  # names
        ("postgresql", "a = $1 AND b = $2$)", False),
        ("postgresql", "a /* /* ) */ ) */ = 1", True),
        ("postgresql", '"odd)" = 1 AND "say ""("', True),
        ("postgresql", "a[1] = '{1}' AND `b", True),  # the server may say what a ` is
        ("sqlite", "a /* /* */ = 1", True),
        ("sqlite", "[odd)] = 1 AND `(` = 2", True),
        ("duckdb", "a = [b) OR (c]", False),  # a list, no name
        ("snowflake", r"a = 'it\'s :)' // :)", True),
        ("snowflake", "a = $$ :) $$", True),
        ("bigquery", """a = "it's :)" # :)""", True),
        ("bigquery", 'a = """ say ":)" """ AND `odd)`', True),
        (UNKNOWN, r"a = 'it\'s :)' # :)", True),  # MySQL
        (UNKNOWN, "[odd)] = 'it''s'", True),  # SQL Server
        (UNKNOWN, "a = q'[it's :)]' AND b = Q'!it's :)!'", True),  # Oracle
        (UNKNOWN, "a = q'[it's :)]' OR b) OR (c", False),
    ],
)
def test_quotes_are_those_of_the_database(driver: str, text: str, is_right: bool) -> None:
    assert (bracket_fault(text, driver) is None) is is_right


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("SELECT 1;", "SELECT 1"),
        (" SELECT 1 ;; -- all\n", "SELECT 1"),
        ("SELECT 1 -- all;\n;", "SELECT 1 -- all;"),
        ("SELECT ';' -- all;", "SELECT ';' -- all;"),
        ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),  # the server says that these are two
        ("SELECT 5--3", "SELECT 5--3"),  # 8, in MySQL
        ("SELECT ')", "SELECT ')"),
    ],
)
@pytest.mark.parametrize("driver", ["postgresql", UNKNOWN])
def test_a_query_has_no_semicolon_at_its_end(driver: str, query: str, left: str) -> None:
    assert ended(query, driver) == left


def test_what_is_within_a_text_or_a_comment() -> None:
    mark = re.compile("{x}")
    assert is_inside("text", mark, r"a = E'\'{x}'", "postgresql")
    assert not is_inside("text", mark, "a = '-- it''s' AND b = {x} -- 'c'", "postgresql")
    assert is_inside("comment", mark, "a = 1 -- {x}", "sqlite")
    assert not is_inside("comment", mark, "a = '-- ' || {x}", "sqlite")
