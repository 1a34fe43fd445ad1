"""What contradicts itself in [silver] is CFG001, with the key and the way out, before anything is
opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit

HERE = "pipelines.myteam.orders"
FULL = 'primary_key = ["id"]'
INCREMENTAL = 'load = "incremental"\nprimary_key = ["id"]\nincremental = { cursor = "at" }'
CDC = INCREMENTAL.replace("incremental", "cdc", 1) + '\ncdc = { operation = "op" }'
NO_CODE = CDC.replace('"op"', '"op", delete = []')


def config(top: str, silver: str, more: str = "") -> str:
    text = f"{API}{ORDERS}".replace(f"[{HERE}]\n", f"[{HERE}]\n{top}\n")
    body = silver.replace("[.", f"[{HERE}.silver.")
    return f"{text}\n[{HERE}.silver]\n{body}\n{more}"


def of_files(silver: str) -> str:
    source = '[pipelines.myteam.orders.source]\ntype = "files"\nurl = "in/*.csv"\nformat = "csv"\n'
    top = INCREMENTAL.replace('"at"', '"_modified"')
    return f"[{HERE}]\n{top}\n{source}[{HERE}.silver]\n{silver}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            config(FULL, 'kind = "event"\nhistory = "full"'),
            'history: is "full", and kind = "event"',
        ),
        (
            config(FULL, 'kind = "event"\ndeletes = "hard"'),
            'deletes: is "hard", and kind = "event"',
        ),
        (config("", ""), "silver.unique_columns: is missing, and so is the pipeline's primary_key"),
        (of_files('history = "full"'), "silver.order_by: is missing: which record is the newer"),
        (
            config(INCREMENTAL, 'deletes = "hard"'),
            'silver.deletes: is "hard", and nothing tells of a delete: set deleted_column',
        ),
        (
            config(NO_CODE, 'deletes = "tombstone"'),
            'silver.deletes: is "tombstone", and cdc.delete is empty',
        ),
        (config(FULL, 'deleted_column = ""'), "silver.deleted_column: is empty"),
        (
            config(INCREMENTAL, 'late_after = "1d"'),
            'silver.late_after: has no effect with late_data = "apply"',
        ),
        (
            config(INCREMENTAL, 'late_data = "reject"'),
            'silver.late_data: is "reject", and nothing says what is late; set late_after',
        ),
        (
            config(FULL, 'late_data = "reject"\nlate_after = "1d"'),
            'silver.late_data: is "reject", and in a full snapshot nothing is late',
        ),
        (
            of_files('late_data = "quarantine"\nlate_after = "1d"'),
            "lateness goes by the first column of order_by; set that",
        ),
        (
            config(FULL, 'unique_columns = ["a", "a"]'),
            "unique_columns: holds an empty name, or one",
        ),
        (config(FULL, 'order_by = [""]'), "silver.order_by: holds an empty name, or one twice"),
        (config(FULL, 'path = "silver/{team}"'), 'silver.path: has "{team}"; did you mean'),
        (config(FULL, 'path = ""'), "silver.path: is empty"),
        (config(FULL, 'path = "../x"'), 'silver.path: "../x" is no path below the target'),
        (config(FULL, 'path = "/x"'), "is no path below the target"),
        (config(FULL, 'path = "_runs/x"'), "is no path below the target"),
        (config(FULL, 'path = "a//b"'), "is no path below the target"),
        (config(FULL, 'path = "a/dt=1"'), "is no path below the target"),
        (config(FULL, 'path = "a/b/c/d/e/f/g/h/i"'), "silver.path: is too long"),
        (
            config(FULL, 'path = "{system}/{entity}"'),
            "silver.path: myteam/orders lies upon myteam/orders, where the partitions of",
        ),
        (config(FULL, 'path = "{system}/{entity}/silver"'), "lies upon myteam/orders"),
        (config(FULL, 'path = "{system}"'), "silver.path: myteam lies upon myteam/orders"),
        (
            config(FULL, '[.quality]\nduplicates = "drop"'),
            'silver.quality.duplicates: is "drop", and a table has a key once by itself',
        ),
        (
            config(FULL, '[[.quality.rules]]\nrule = "not_null"\ncolumn = ""'),
            "silver.quality.rules.0.column: is empty",
        ),
        (
            config(FULL, '[[.quality.rules]]\nrule = "not_null"\ncolumn = "is_current"'),
            'names "is_current", which is a column of rows, and of no record',
        ),
        (
            config(FULL, '[.output]\ncompression = "lz4"\ncompression_level = 3'),
            'silver.output.compression_level: "lz4" has no levels',
        ),
        (
            config(FULL, "[.output]\nrow_group_bytes = 0"),
            "silver.output.row_group_bytes: must be above zero",
        ),
        (
            config(FULL, 'partition_by = ["day(a)", "day(a)"]'),
            'silver.partition_by: "day(a)" makes the same folders as an entry before it',
        ),
        (
            config(FULL, 'partition_by = ["is_current"]'),
            'silver.partition_by: names "is_current", which this table does not have',
        ),
        (config(FULL, 'history = "fully"'), 'silver.history: expected "current" or "full"'),
        (config(FULL, 'histroy = "full"'), "silver.histroy: unknown key; did you mean"),
    ],
)
def test_contradictions_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        load(tmp_path, text).pipeline("myteam.orders")
    assert message in str(found.value)


@pytest.mark.parametrize(
    ("silver", "message"),
    [
        ('[.columns]\nkeep = ["id", ""]', "columns.keep: holds an empty name"),
        ('[.columns]\ndrop = ["a", "A"]', "columns.drop: names a column twice"),
        ('[.columns]\nkeep = ["id", "a"]\ndrop = ["a"]', 'drop: names "a", which keep names too'),
        ('[.columns]\nkeep = ["id"]\ndrop = ["a"]', "columns.drop: has no effect beside keep"),
        ('[.columns]\nrename = { a = "" }', "columns.rename.a: is an empty name"),
        ('[.columns]\nrename = { a = "a" }', "columns.rename.a: is its name already"),
        ('[.columns]\ndrop = ["a"]\nrename = { a = "b" }', "rename.a: renames a column that the"),
        ('[.columns]\nkeep = ["id"]\nrename = { a = "b" }', "rename.a: renames a column that the"),
        (
            '[.columns]\nrename = { a = "Deleted_At" }',
            '"Deleted_At" is a column that Silver itself',
        ),
        ('[.columns]\nrename = { a = "x", b = "X" }', '"X" is what "a" is called already'),
        ('[.columns]\nkeep = ["id", "a"]\nrename = { a = "ID" }', '"ID" is what "id" is called'),
        ('[.columns]\ncast = { a = "int" }', 'columns.cast.a: "int" is no type; did you mean "int'),
        ('[.columns]\ncast = { a = "decimal(80,2)" }', '"decimal(80,2)": 1 to 76 digits in all'),
        ('[.columns]\ncast = { a = "timestamp(us, Mars)" }', '"Mars" is no time zone'),
        ('[.columns]\ndrop = ["a"]\ncast = { a = "date" }', "which silver.columns.drop leaves out"),
        ('[.columns]\nrename = { a = "b" }\ncast = { a = "date" }', 'which is called "b" here'),
        (
            'order_by = ["a"]\n[.columns]\ndrop = ["a"]',
            'order_by: names "a", which silver.columns.d',
        ),
        ('order_by = ["a"]\n[.columns]\nkeep = ["id"]', "which silver.columns.keep does not name"),
        (
            'partition_by = ["day(a)"]\n[.columns]\ndrop = ["a"]',
            'partition_by: names "a", which sil',
        ),
        ('unique_columns = ["id"]\n[.columns]\nrename = { id = "key" }', 'is called "key" here'),
        (
            '[.columns]\ndrop = ["id"]',
            'unique_columns: is unset, and primary_key names "id", which the table does not have',
        ),
        (
            '[.columns]\nkeep = ["id"]',
            'order_by: is unset, and incremental.cursor names "at", which the table does not have',
        ),
    ],
)
def test_columns_that_contradict_each_other_are_told(
    tmp_path: Path, silver: str, message: str
) -> None:
    with pytest.raises(ConfigError) as found:
        load(tmp_path, config(INCREMENTAL, silver)).pipeline("myteam.orders")
    assert message in str(found.value)


@pytest.mark.parametrize(
    "text",
    [
        config(FULL, ""),
        config(FULL, 'history = "full"\ndeletes = "tombstone"\npartition_by = ["is_current"]'),
        config("", 'kind = "event"\npath = "curated/{entity}"'),
        config(INCREMENTAL, 'deletes = "hard"\ndeleted_column = "gone"'),
        config(INCREMENTAL, 'late_data = "reject"\nlate_after = "0s"'),
        config(CDC, 'deletes = "hard"\nhistory = "full"'),
        config(FULL, '[.columns]\nkeep = ["id", "a"]\ndrop = ["a__variant"]'),
        config(FULL, '[.columns]\nrename = { id = "ID" }\ncast = { ID = "string" }'),
        of_files(""),
        of_files('order_by = ["made"]\nhistory = "full"'),
    ],
    ids=range(10),
)
def test_what_makes_sense_is_taken(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).pipeline("myteam.orders").silver is not None


OTHER = """
[pipelines.{name}.source]
type = "http"
api = "shop"
path = "/x"
"""


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("silver.myteam", "", "silver/myteam/orders lies upon silver/myteam, where the partitions"),
        (
            "myteam.others",
            '[pipelines.myteam.others.silver]\nkind = "event"\npath = "silver/myteam"\n',
            "silver/myteam/orders lies upon silver/myteam, where the table of",
        ),
    ],
)
def test_a_table_in_the_way_of_another_pipeline_is_told_of_both(
    tmp_path: Path, name: str, more: str, message: str
) -> None:
    other = OTHER.format(name=name) + more
    found = load(tmp_path, config(FULL, "", other))
    with pytest.raises(ConfigError, match=message):
        found.pipeline("myteam.orders")
    with pytest.raises(ConfigError, match=r"pipelines\.myteam\.orders are; give one of the two"):
        found.pipeline(name)


def test_tables_of_other_targets_are_in_nobodys_way(tmp_path: Path) -> None:
    other = OTHER.format(name="silver.myteam").replace(
        "[pipelines.silver.myteam.source]",
        '[pipelines.silver.myteam]\ntarget = "elsewhere"\n[pipelines.silver.myteam.source]',
    )
    load(tmp_path, config(FULL, "", other)).pipeline("myteam.orders")


def test_a_table_changes_no_hash_of_bronze(tmp_path: Path) -> None:
    plain = load(tmp_path, config(FULL, "").partition(f"[{HERE}.silver]")[0])
    curated = load(tmp_path, config(FULL, 'history = "full"'))
    names = [each.pipeline("myteam.orders").config_hash for each in (plain, curated)]
    assert names[0] == names[1]
