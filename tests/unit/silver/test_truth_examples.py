"""docs/silver.md: every table in it is what a run of Silver makes, and what the oracle says."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import parse_config
from bronze_engine.config.silver import Silver
from bronze_engine.model.silver import SilverTable
from tests.documents import Document
from tests.unit.run.harness import load_text

from . import oracle
from .examples import EXAMPLES, Example, page
from .lake import NAME, comparable

pytestmark = pytest.mark.unit

GUIDE: Final = Document("docs/silver.md")


@pytest.mark.asyncio
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_a_run_makes_the_example(tmp_path: Path, example: Example) -> None:
    lake = example.lake(tmp_path)
    async with open_engine(lake.config(), clock=SYSTEM_CLOCK) as engine:
        for count, landed in enumerate(example.dates, start=1):
            lake.land(landed)
            await engine.silver(NAME)
            rows = lake.rows()
            assert rows is not None
            assert comparable(rows) == comparable(example.expected(count))
            assert {tuple(row) for row in rows} == {oracle.column_names(example.table)}


def test_the_page_has_the_examples() -> None:
    assert page(GUIDE.text) == GUIDE.text, (
        "python -m tests.unit.silver.examples --write docs/silver.md"
    )
    marks = {f"<!-- {example.group} -->" for example in EXAMPLES}
    assert {line for line in GUIDE.text.splitlines() if line.startswith("<!-- ")} == {
        *marks,
        "<!-- end -->",
    }


def test_every_example_has_five_rows() -> None:
    rows = {
        example.name: sum(len(file) for each in example.dates for file in each.files)
        for example in EXAMPLES
    }
    assert set(rows.values()) == {5}
    assert len(rows) == len(EXAMPLES) == 3 * 2 * 3 + 5


def test_the_configuration_is_one() -> None:
    [toml] = GUIDE.blocks("toml")
    pipeline = parse_config(f'[engine]\ntarget = "./bronze"\n{toml}').pipeline("shop.customers")
    assert pipeline.silver == Silver(history="full", deletes="tombstone")


CHANGES: Final = """\
lsn,op,id,status
9,I,1,new
10,U,1,paid
11,I,2,new
12,D,2,
"""


@pytest.mark.asyncio
async def test_its_readers_read_what_its_pipeline_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [toml] = GUIDE.blocks("toml")
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "1.csv").write_text(CHANGES)
    config = load_text(f'[engine]\ntarget = "bronze"\nlog_dir = ""\n{toml}', folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
        await engine.run("shop.customers", run_date=date(2025, 3, 1))
        await engine.silver("shop.customers")
    names: dict[str, Any] = {}
    for block in GUIDE.blocks("python", "Reading it"):
        exec(compile(block, "docs/silver.md", "exec"), names)  # noqa: S102
    assert capsys.readouterr().out == "4\n"
    assert names["current"].fetchall() == [
        (10, "1", "paid", 10, None, True, False, date(2025, 3, 1))
    ]
    frame = names["frame"].sort("effective_from")
    assert frame.select("id", "status", "effective_from", "effective_to", "is_deleted").rows() == [
        ("1", "new", 9, 10, False),
        ("1", "paid", 10, None, False),
        ("2", "new", 11, 12, False),
        ("2", "new", 12, None, True),
    ]


def test_its_readers_see_columns_that_came_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bronze" / "silver" / "shop" / "customers"
    folder.mkdir(parents=True)
    rows: dict[str, Any] = {"id": ["1"], "is_current": [True]}
    pq.write_table(pa.table(rows), folder / "1.parquet")
    pq.write_table(pa.table(rows | {"id": ["2"], "new": ["x"]}), folder / "2.parquet")
    files = [{"name": "1.parquet"}, {"name": "2.parquet"}]
    (folder / "_metadata.json").write_bytes(msgspec.json.encode({"files": files}))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(GUIDE.blocks("python", "Reading it")[1], "docs/silver.md", "exec"), names)  # noqa: S102
    assert names["frame"].sort("id")["new"].to_list() == [None, "x"]
    assert sorted(names["current"].select("id", "new").fetchall()) == [("1", None), ("2", "x")]


def test_every_key_stands_in_the_tables() -> None:
    assert keys_of("Configuration") == list(Silver.__struct_fields__)
    defaults = {field.name: field.default for field in msgspec.structs.fields(Silver)}
    told = dict(
        line.split(" | ")[:2]
        for line in GUIDE.section("Configuration").splitlines()
        if line.startswith("| `")
    )
    for key, shown in told.items():
        name = key.strip("|` ").split("`")[0]
        if isinstance(defaults[name], str):
            assert shown == f"`{defaults[name]}`", name
    assert set(keys_of("The layout")) == set(SilverTable.__struct_fields__)


def keys_of(section: str) -> list[str]:
    """What the table of a section has in its first column."""
    lines = [line for line in GUIDE.section(section).splitlines() if line.startswith("| `")]
    return [
        name
        for line in lines
        for name in line.split(" | ")[0].strip("| ").replace("`", "").split(", ")
    ]


def test_links_lead_somewhere() -> None:
    for target in GUIDE.links():
        file, _, anchor = target.partition("#")
        path = GUIDE.path.parent / file if file else GUIDE.path
        assert path.exists(), target
        if anchor:
            assert anchor in GUIDE.anchors(), target
