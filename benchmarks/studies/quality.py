"""What ten quality rules cost: the same runs with them and without, in turn.

The rows are like TPC-H's lineitem: 12 columns, four of them decimals, one a text that hardly
repeats. `parquet` is a run from a Parquet file to a Parquet file, the cheapest source that there
is, so that the share of the rules is the largest; `json` is one over pages of records. All is
counted: CPU seconds of this process over a whole run, its commit included. Beside it the same
ten checks as one query of DuckDB over the same rows in memory, on one thread: it counts what is
wrong and names no row.

A round counts only where all rows landed and each rule looked at all of them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import anyio
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness.figures import Figures
from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import tell_overhead
from bronze_engine import open_engine
from bronze_engine.config.load import parse_config
from bronze_engine.model.block import Block
from bronze_engine.testing import ScriptedSource

DAY = date(2025, 1, 15)
PAGE_ROWS = 2000

RULES = """
[[pipelines.bench.lineitem.quality.rules]]
rule = "not_null"
columns = ["orderkey", "partkey", "suppkey"]
[[pipelines.bench.lineitem.quality.rules]]
rule = "unique"
columns = ["orderkey", "linenumber"]
[[pipelines.bench.lineitem.quality.rules]]
rule = "range"
column = "quantity"
min = 1
max = 50
[[pipelines.bench.lineitem.quality.rules]]
rule = "range"
column = "discount"
min = 0
max = 0.1
[[pipelines.bench.lineitem.quality.rules]]
rule = "in_set"
column = "shipmode"
values = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]
[[pipelines.bench.lineitem.quality.rules]]
rule = "regex"
column = "returnflag"
pattern = "^[ANR]$"
[[pipelines.bench.lineitem.quality.rules]]
rule = "length"
column = "comment"
min = 1
max = 60
[[pipelines.bench.lineitem.quality.rules]]
rule = "expression"
expression = "extendedprice >= 0 and (tax <= 0.08 or returnflag <> 'R')"
[[pipelines.bench.lineitem.quality.rules]]
rule = "freshness"
column = "shipdate"
max_age = "20000d"
[[pipelines.bench.lineitem.quality.rules]]
rule = "row_count"
min = 1
"""
CHECKS = """
select count(*) filter (where orderkey is null or partkey is null or suppkey is null),
       count(*) - count(distinct (orderkey, linenumber)),
       count(*) filter (where quantity not between 1 and 50),
       count(*) filter (where discount not between 0 and 0.1),
       count(*) filter (where shipmode not in
                        ('AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK')),
       count(*) filter (where not regexp_matches(returnflag, '^[ANR]$')),
       count(*) filter (where length(comment) not between 1 and 60),
       count(*) filter (where not (extendedprice >= 0 and (tax <= 0.08 or returnflag <> 'R'))),
       max(shipdate), count(*)
from lineitem
"""
TYPES = """
[pipelines.bench.lineitem.schema.columns]
quantity = "decimal(15,2)"
extendedprice = "decimal(15,2)"
discount = "decimal(15,2)"
tax = "decimal(15,2)"
shipdate = "date"
"""
PARQUET = """
[pipelines.bench.lineitem.source]
type = "files"
url = "{folder}/lineitem.parquet"
format = "parquet"
"""
JSON = """
[apis.bench]
base_url = "http://127.0.0.1:9"
[pipelines.bench.lineitem.source]
type = "http"
api = "bench"
path = "/lineitem"
"""
HEAD = '[engine]\nlog_dir = ""\ntarget = "{folder}/lake"\n'


ROW_COUNTS: Final[dict[Size, int]] = {"tiny": 5000, "short": 500_000, "full": 2_000_000}
"""Of Parquet; a tenth of JSON."""


def run(options: Options) -> dict[str, Any]:
    """CPU seconds a million rows, of each kind and round."""
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bronze-quality-") as name:
        folder = Path(name)
        table = lineitem(ROW_COUNTS[options.size])
        pq.write_table(table, folder / "lineitem.parquet", compression="zstd")
        few = table.slice(0, max(1, len(table) // 10))
        pages = pages_of(few)
        kinds: dict[str, tuple[str, int, Callable[[], dict[str, Any]]]] = {
            "parquet": (PARQUET.format(folder=folder), len(table), dict),
            "json": (JSON + TYPES, len(few), lambda: {"http": ScriptedSource([pages])}),
        }
        for kind, (source, rows, sources) in kinds.items():
            text = HEAD.format(folder=folder) + source
            costs: dict[str, list[float]] = {"without": [], "with": []}
            land(text + RULES, rows, sources())  # what is made once is made before
            for _ in range(options.rounds):
                costs["without"].append(land(text, rows, sources()) / rows * 1e6)
                costs["with"].append(land(text + RULES, rows, sources()) / rows * 1e6)
            result[kind] = costs
        rival = [ask_duckdb(table) / len(table) * 1e6 for _ in range(options.rounds)]
    return {"kinds": result, "duckdb": rival}


def tell(figures: Figures) -> str:
    rival = spread(figures["duckdb"])
    return (
        f"{tell_overhead(figures)}\n\nDuckDB, the ten checks alone: {rival} CPU-s a million rows."
    )


SCENARIO: Final = Scenario("quality", "What ten quality rules cost", run, tell)


def land(text: str, rows: int, sources: dict[str, Any]) -> float:
    """CPU seconds of one run, whose result was right."""
    config = parse_config(text, environ={})
    wanted = len(config.pipeline("bench.lineitem").quality.rules)

    async def run() -> float:
        async with open_engine(config, sources=sources) as engine:
            began = time.process_time()
            report = await engine.run("bench.lineitem", run_date=DAY)
            spent = time.process_time() - began
        assert report.rows == rows
        assert [each.verdict for each in report.quality] == ["passed"] * wanted
        assert all(each.checked == rows for each in report.quality)
        return spent

    return anyio.run(run)


def ask_duckdb(table: pa.Table) -> float:
    """CPU seconds of the same checks in SQL."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("lineitem", table)
        began = time.process_time()
        found = connection.execute(CHECKS).fetchone()
        spent = time.process_time() - began
    assert found is not None
    assert found[:8] == (0,) * 8
    assert found[9] == len(table)
    return spent


def lineitem(rows: int) -> pa.Table:
    """Rows in the order of their keys, the same each time."""
    chance = np.random.default_rng(1)
    orders = np.repeat(np.arange(1, rows + 1), chance.integers(1, 8, rows))[:rows]
    starts = np.maximum.accumulate(np.where(np.diff(orders, prepend=0) != 0, np.arange(rows), 0))
    quantity = chance.integers(1, 51, rows)
    price = chance.integers(90_000, 200_000, rows)

    def cents(values: Any) -> Any:
        words = np.stack([values, np.zeros_like(values)], axis=1)  # little-endian, none below 0
        kind = pa.decimal128(15, 2)
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(words.tobytes())])

    def chosen(words: list[str]) -> Any:
        places: Any = pa.array(chance.integers(0, len(words), rows).astype(np.int32))
        return pa.DictionaryArray.from_arrays(places, words).dictionary_decode()

    words = ["carefully", "quickly", "furiously", "final", "regular", "pending", "express"]
    comment = pc.binary_join_element_wise(
        chosen(words),
        chosen(words),
        pa.array(chance.integers(0, 10**6, rows)).cast(pa.string()),
        " ",
    )
    return pa.table(
        {
            "orderkey": pa.array(orders),
            "partkey": pa.array(chance.integers(1, 200_000, rows)),
            "suppkey": pa.array(chance.integers(1, 10_000, rows)),
            "linenumber": pa.array(np.arange(rows) - starts + 1),
            "quantity": cents(quantity * 100),
            "extendedprice": cents(quantity * price),
            "discount": cents(chance.integers(0, 11, rows)),
            "tax": cents(chance.integers(0, 9, rows)),
            "returnflag": chosen(["A", "N", "R"]),
            "shipdate": pa.array(chance.integers(8000, 10_600, rows).astype(np.int32)).cast(
                pa.date32()
            ),
            "shipmode": chosen(["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]),
            "comment": comment,
        }
    )


def pages_of(table: pa.Table) -> list[Block]:
    """The rows as an API would send them: decimals and dates as texts."""
    blocks = []
    for page, batch in enumerate(table.to_batches(max_chunksize=PAGE_ROWS), 1):
        columns = [
            array.cast(pa.string())
            if pa.types.is_decimal(array.type) or pa.types.is_date(array.type)
            else array
            for array in batch.columns
        ]
        rows = pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()
        data = "".join(json.dumps(row) + "\n" for row in rows)
        blocks.append(Block(data=data.encode(), records=len(rows), page=page))
    return blocks
