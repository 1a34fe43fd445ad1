"""What contradicts load = "cdc" is CFG001, with the key and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit

HERE = "pipelines.myteam.orders"
INCREMENTAL = f'[{HERE}.incremental]\ncursor = "at"\n'


def config(top: str, *, cdc: str | None = 'operation = "op"', more: str = INCREMENTAL) -> str:
    table = "" if cdc is None else f"[{HERE}.cdc]\n{cdc}\n"
    text = f"{API}{ORDERS}".replace(f"[{HERE}]\n", f"[{HERE}]\n{top}\n")
    return f"{text}{table}{more}"


KEYED = 'load = "cdc"\nprimary_key = ["id"]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (config(KEYED, cdc=None), f'load: "cdc" needs a table [{HERE}.cdc] with `operation`'),
        (config(KEYED, more=""), f'load: "cdc" needs a table [{HERE}.incremental]'),
        (config('load = "cdc"'), 'primary_key: is missing: with load = "cdc"'),
        (config('load = "incremental"'), 'cdc: is for load = "cdc", and load is "incremental"'),
        (config("", more=""), 'cdc: is for load = "cdc", and load is "full"'),
        (config(KEYED, cdc=""), "cdc.operation: missing"),
        (config(KEYED, cdc='operation = ""'), "cdc.operation: is empty"),
        (
            config(KEYED, cdc='operation = "op"\ninsert = ["U"]'),
            'cdc.update: "U" is a code of `insert` already',
        ),
        (
            config(KEYED, cdc='operation = "op"\ninsert = []\nupdate = []\ndelete = []'),
            "cdc.insert: is empty, and so are update and delete",
        ),
        (
            config(KEYED, cdc='operation = "op"\norder_by = ["a", "a"]'),
            "cdc.order_by: holds an empty name, or one twice",
        ),
        (
            config(KEYED, more=f'{INCREMENTAL}[{HERE}.quality]\nduplicates = "drop"\n'),
            'quality.duplicates: is "drop", and changes of one key are no duplicates',
        ),
    ],
)
def test_contradictions_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        load(tmp_path, text).pipeline("myteam.orders")
    assert message in str(found.value)


def test_codes_change_the_hash_and_the_order_does_not(tmp_path: Path) -> None:
    def hash_of(cdc: str) -> str:
        pipeline = load(tmp_path, config(KEYED, cdc=f'operation = "op"\n{cdc}'))
        return pipeline.pipeline("myteam.orders").config_hash

    assert hash_of('order_by = ["lsn"]') == hash_of("") != hash_of('delete = ["X"]')


def test_an_inherited_table_is_taken_away_with_false(tmp_path: Path) -> None:
    child = (
        '[pipelines.myteam.plain]\nextends = "myteam.orders"\nload = "incremental"\ncdc = false\n'
    )
    pipeline = load(tmp_path, config(KEYED) + child).pipeline("myteam.plain")
    assert (pipeline.load, pipeline.cdc) == ("incremental", None)
