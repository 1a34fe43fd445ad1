"""Quality rules in pipelines.toml: an array of tables, each a Struct by its `rule`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.loading.describe import json_schema
from bronze_engine.config.quality_rule import (
    FreshnessRule,
    NotNullRule,
    RangeRule,
    TypeRule,
    name_of,
)
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit

RULES = """
[[pipelines.myteam.orders.quality.rules]]
rule = "not_null"
columns = ["id", "n"]
[[pipelines.myteam.orders.quality.rules]]
rule = "range"
column = "at"
min = 2025-01-01
level = "warn"
where = "n > 0"
name = "this year"
[[pipelines.myteam.orders.quality.rules]]
rule = "type"
column = "code"
type = "uuid"
[[pipelines.myteam.orders.quality.rules]]
rule = "freshness"
column = "at"
max_age = "26h"
"""


def rule(text: str) -> str:
    lines = "\n".join(part.strip() for part in text.split(";"))
    return f"\n[[pipelines.myteam.orders.quality.rules]]\n{lines}\n"


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, API + ORDERS + text).pipeline("myteam.orders")
    return str(caught.value)


def test_each_table_is_a_rule_with_a_name(tmp_path: Path) -> None:
    pipeline = load(tmp_path, API + ORDERS + RULES).pipeline("myteam.orders")
    rules = pipeline.quality.rules
    assert [type(each) for each in rules] == [NotNullRule, RangeRule, TypeRule, FreshnessRule]
    assert list(map(name_of, rules)) == [
        "not_null(id, n)",
        "this year",
        "type(code)",
        "freshness(at)",
    ]
    assert rules[1] == RangeRule(
        column="at", min="2025-01-01", level="warn", where="n > 0", name="this year"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rule = "rnge"', 'quality.rules.0.rule: unknown type "rnge"; did you mean "range"?'),
        ('column = "n"', "quality.rules.0.rule: missing; known are"),
        ('rule = "not_null"', "quality.rules.0.columns: write column, or columns"),
        ('rule = "unique"; column = "a"; columns = ["b"]', "columns: write column, or columns"),
        ('rule = "unique"; columns = ["a", "a"]', "columns: names a column twice"),
        ('rule = "not_null"; column = ""', "column: is empty; name a column as it lands"),
        ('rule = "range"; column = "_load_date"; min = 1', "column: _load_date is added when"),
        ('rule = "range"; colum = "n"; min = 1', 'colum: unknown key; did you mean "column"?'),
        ('rule = "range"; column = "n"', "min: write min, max, or both"),
        ('rule = "range"; column = "n"; min = 2; max = 1', "min: is 2, above max = 1"),
        ('rule = "range"; column = "n"; min = 2; max = "3"', "a number and a text; write both"),
        ('rule = "length"; column = "n"; min = -1', "min: expected a whole number (at least 0)"),
        ('rule = "row_count"; min = 5; max = 4', "min: is 5, above max = 4"),
        ('rule = "row_count_change"', "min_ratio: write min_ratio, max_ratio, or both"),
        ('rule = "row_count_change"; max_ratio = 2.0; where = "a = 1"', "where: of earlier dates"),
        ('rule = "in_set"; column = "n"; values = []', "values: is empty"),
        ('rule = "regex"; column = "n"; pattern = "(a"', "pattern: is no regular expression of RE"),
        ('rule = "type"; column = "n"; type = "int"', 'type: expected "integer" or'),
        ('rule = "freshness"; column = "n"; max_age = "0s"', "max_age: must be above zero"),
        ('rule = "expression"; expression = "a >"', "expression: expected a column, a number"),
        ('rule = "expression"; expression = "_load_date > 1"', "expression: _load_date is added"),
        (f'rule = "expression"; expression = "a = {"9" * 5000}"', "more digits than any column"),
        ('rule = "not_null"; column = "a"; where = "b"; level = "info"', "level: expected"),
        ('rule = "not_null"; column = "a"; where = "b +"', "where: expected a column, a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, rule(text))


def test_two_rules_of_one_name_are_told(tmp_path: Path) -> None:
    one = rule('rule = "not_null"; column = "a"')
    assert 'quality.rules.1.name: another rule is called "not_null(a)"' in refused(
        tmp_path, one + one
    )


def test_rules_are_an_array_of_tables(tmp_path: Path) -> None:
    table = '\n[pipelines.myteam.orders.quality]\nrules = "none"\n'
    assert "quality.rules: expected an array of tables, got a string" in refused(tmp_path, table)
    table = "\n[pipelines.myteam.orders.quality]\nrules = [1]\n"
    assert "quality.rules.0: expected a table, got a number" in refused(tmp_path, table)


def test_the_schema_of_editors_knows_them() -> None:
    definitions = json_schema()["$defs"]
    rules = definitions["Quality"]["properties"]["rules"]
    names = [each["$ref"].rpartition("/")[2] for each in rules["items"]["anyOf"]]
    tags = {definitions[name]["properties"]["rule"]["const"] for name in names}
    assert tags >= {"not_null", "unique", "expression", "row_count_change"}
    assert definitions["TypeRule"]["properties"]["type"]["description"].startswith("integer:")


def test_rules_that_keep_rows_out_are_part_of_the_hash_and_no_others(tmp_path: Path) -> None:
    def hash_of(text: str) -> str:
        return load(tmp_path, API + ORDERS + text).pipeline("myteam.orders").config_hash

    plain = hash_of("")
    kept_out = hash_of(rule('rule = "not_null"; column = "a"'))
    assert kept_out != plain
    assert hash_of(rule('rule = "not_null"; column = "a"; name = "x"')) == kept_out
    assert hash_of(rule('rule = "not_null"; column = "b"')) not in (plain, kept_out)
    assert hash_of(rule('rule = "not_null"; column = "a"; level = "warn"')) == plain
    assert hash_of(rule('rule = "row_count"; min = 1')) == plain
