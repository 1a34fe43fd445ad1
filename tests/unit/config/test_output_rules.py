"""What contradicts itself in [output] is CFG001, with the key and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.partition_by import PartitionField
from bronze_engine.errors import ConfigError
from tests.unit.config.files import load, pipeline_table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('partition_by = ["a", " "]', "partition_by: holds an empty name"),
        ('partition_by = ["DT"]', 'partition_by: "DT": dt= is the folder of the run date'),
        ('partition_by = ["_load_date"]', "is the same in every row of a run"),
        ('partition_by = ["day(a)", "day( a )"]', "makes the same folders as an entry before it"),
        ('partition_by = ["a_day", "day(a)"]', "makes the same folders as an entry before it"),
        ('partition_by = "a"', "partition_by: expected an array of strings"),
        ('part_bytes = "4MiB"', "part_bytes: 4,194,304 is not between 5MiB"),
        ('part_bytes = "1GiB"', "part_bytes: 1,073,741,824 is not between"),
        (
            'partition_by = ["a"]\npart_bytes = "6MiB"',
            "part_bytes: has no effect with",
        ),
        ("max_open_files = 4", "max_open_files: is of partition_by"),
        ('partition_by = ["a"]\nmax_open_files = 0', "max_open_files: expected"),
        ('compression = "snappy"\ncompression_level = 3', "has no levels; leave it out"),
        ('compression = "gzip"\ncompression_level = 12', "is above 9"),
        ('encoding = "rle"', 'encoding: expected "plain" or "delta"'),
        ("row_group_bytes = 0", "row_group_bytes: must be above zero"),
    ],
)
def test_contradictions_are_told(tmp_path: Path, output: str, message: str) -> None:
    config = load(tmp_path, pipeline_table("output", output))
    with pytest.raises(ConfigError) as found:
        config.pipeline("myteam.orders")
    assert message in str(found.value)


def test_entries_say_a_column_and_how() -> None:
    parse = PartitionField.parse
    assert parse("country") == PartitionField("country", "value")
    assert parse("day(created_at)") == PartitionField("created_at", "day")
    assert parse(" hour( a b ) ") == PartitionField("a b", "hour")
    assert parse("value(day(x))") == PartitionField("day(x)", "value")
    assert parse("week(x)") == PartitionField("week(x)", "value")


def test_folders_change_the_hash_and_open_files_do_not(tmp_path: Path) -> None:
    def hash_of(output: str) -> str:
        text = pipeline_table("output", output)
        return load(tmp_path, text).pipeline("myteam.orders").config_hash

    plain = hash_of("")
    parted = hash_of('partition_by = ["a"]')
    assert hash_of("partition_by = []") == plain != parted
    assert hash_of('partition_by = ["a"]\nmax_open_files = 4') == parted
