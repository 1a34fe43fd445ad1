"""`contract = "freeze"`: the columns and types of before, and of the configuration, are all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.errors import QualityError
from bronze_engine.model.layout import Layout
from bronze_engine.testing import ScriptedSource, page
from tests.unit.decode.rows import decode
from tests.unit.run.harness import DAY, Bench

pytestmark = pytest.mark.unit

FREEZE = "schema.contract=freeze"
LATER = DAY.replace(day=16)


def base(*lines: bytes, **options: Any) -> Layout:
    settled = decode(*lines, **options).layout.settled()
    return Layout(version=0, schema=settled.schema, known=len(settled.schema))


KNOWN = base(b'{"id":1,"x":0.5,"name":"n","o":{"k":1},"l":[1]}')


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id":1,"new":"a value"}', r"column 'new' is new \(its value: \"a value\"\)"),
        (b'{"id":1,"new":null}', r"column 'new' is new \(its value: null\)"),
        (b'{"id":"1"}', r"column 'id' \(int64\) can't hold \"1\""),
        (b'{"id":1.5}', r"column 'id' \(int64\) can't hold 1.5"),
        (b'{"x":"y"}', r"column 'x' \(double\) can't hold \"y\""),
        (b'{"x":1e400}', r"column 'x' \(double\) can't hold 1e400"),
        (b'{"name":5}', r"column 'name' \(string\) can't hold 5"),
        (b'{"o":{"k":1,"new":2}}', r"column 'o' \(struct<k: int64>\) can't hold"),
        (b'{"o":[]}', r"column 'o' .* can't hold \[\]"),
        (b'{"l":["x"]}', r"column 'l' .* can't hold \[\"x\"\]"),
    ],
)
@pytest.mark.parametrize("is_settled", [False, True])
def test_anything_else_is_an_error_that_names_it(
    line: bytes, message: str, *, is_settled: bool
) -> None:
    layout = KNOWN.settled() if is_settled else None
    with pytest.raises(QualityError, match=message + r".*page 1 at record 1; ") as caught:
        decode(b'{"id":1}', line, base=KNOWN, layout=layout, contract="freeze")
    assert "nothing was committed" in str(caught.value)
    assert 'schema.contract to "evolve" for one run' in str(caught.value)


def test_long_values_are_cut_short() -> None:
    with pytest.raises(QualityError) as caught:
        decode(b'{"new":"' + b"x" * 10_000 + b'"}', base=KNOWN, contract="freeze")
    assert len(str(caught.value)) < 400


def test_what_fits_lands_and_what_is_absent_is_null() -> None:
    decoded = decode(b'{"x":2,"id":null}', base=KNOWN, contract="freeze")
    assert decoded.layout.schema.names == KNOWN.schema.names
    assert decoded.batch.to_pylist() == [{"id": None, "x": 2.0, "name": None, "o": None, "l": None}]


def test_a_first_run_has_the_configured_columns_and_no_others() -> None:
    columns = {"id": "int64", "at": "epoch_s"}
    decoded = decode(b'{"id":1}', columns=columns, contract="freeze")
    assert decoded.batch.to_pylist() == [{"id": 1, "at": None}]
    with pytest.raises(QualityError, match="column 'name' is new"):
        decode(b'{"id":1,"name":"x"}', columns=columns, contract="freeze")


def test_a_first_run_without_configured_columns_makes_the_contract() -> None:
    assert decode(b'{"a":1}', b'{"b":"x"}', contract="freeze").layout.schema.names == ["a", "b"]


def test_a_configured_column_joins_the_contract() -> None:
    decoded = decode(
        b'{"id":1,"due":"2025-01-15"}', base=KNOWN, columns={"due": "date"}, contract="freeze"
    )
    assert decoded.layout.schema.field("due").type == pa.date32()
    absent = decode(b'{"id":1}', base=KNOWN, columns={"due": "date"}, contract="freeze")
    assert absent.layout.schema.names == [*KNOWN.schema.names, "due"]


def test_a_flattened_contract_names_columns_as_they_land() -> None:
    known = base(b'{"o":{"k":1}}', flatten="__")
    columns = {"o__due": "date"}
    options: dict[str, Any] = {"base": known, "flatten": "__", "contract": "freeze"}
    with pytest.raises(QualityError, match=r"column 'o__new' is new \(its value: 2\)"):
        decode(b'{"o":{"k":1,"new":2}}', **options)
    decoded = decode(b'{"o":{"due":"2025-01-15"}}', columns=columns, **options)
    assert decoded.layout.schema.names == ["o__k", "o__due"]


@pytest.mark.asyncio
async def test_a_frozen_run_commits_nothing_and_leaves_the_date_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FREEZE)
    first = await bench.run(ScriptedSource([[page(1, {"id": 1, "name": "x"})]]))
    assert [column.name for column in first.schema][:2] == ["id", "name"]
    source = ScriptedSource([[page(1, {"id": 2}), page(2, {"id": 3, "more": True})]])
    with pytest.raises(QualityError, match=r"'more' is new.*page 2 at record 0"):
        await bench.run(source, LATER)
    assert await bench.manifest(LATER) is None
    manifest = await bench.run(ScriptedSource([[page(1, {"name": "y"})]]), LATER)
    assert (manifest.row_count, manifest.schema_changes) == (1, ())
    assert [column.name for column in manifest.schema][:2] == ["id", "name"]
