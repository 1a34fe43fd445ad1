"""Curated tables in a batch and in a backfill: each once, after the dates of its pipeline."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial

import anyio
import pytest

from bronze_engine.config.load import read_texts
from bronze_engine.remote.land import land
from bronze_engine.remote.parcel import Ended, Parcel, Sign
from bronze_engine.version import __version__
from tests.integration.cli.command import Bronze, tree
from tests.integration.cli.curated import DAY, NAME, NEXT, TABLE, configure, snapshot

pytestmark = pytest.mark.integration

BOTH = ("--from", DAY, "--to", NEXT)
BROKEN = ("--set", f'pipelines.{NAME}.silver.order_by=["nope"]')


@pytest.fixture
def shop(bronze: Bronze) -> Bronze:
    """Two days of three pipelines, two of which have a table."""
    configure(bronze.folder)
    for entity in ("orders", "items", "plain"):
        snapshot(bronze.folder, DAY, "1,new", entity=entity)
        snapshot(bronze.folder, NEXT, "1,paid", "2,new", entity=entity)
    return bronze


def tables(bronze: Bronze, *arguments: str, status: int = 0) -> list[tuple[str, str]]:
    """What became of the tables of a batch."""
    ran = bronze("batch", *arguments, "--json")
    assert ran.status == status, ran.err
    return sorted((each["pipeline"], each["status"]) for each in ran.json["tables"])


def test_each_table_is_made_once_after_its_dates(shop: Bronze) -> None:
    ran = shop.well("batch", *BOTH, "--json").json
    assert len(ran["runs"]) == 6
    made = {each["pipeline"]: each["report"] for each in ran["tables"]}
    assert set(made) == {NAME, "shop.items"}
    for report in made.values():
        assert report["generation"] == 1
        assert [each["run_date"] for each in report["silver"]["inputs"]] == [DAY, NEXT]
    out = shop.well("batch", *BOTH).out
    assert "silver     2 of 2 tables are up to date" in out


def test_a_table_that_fails_holds_up_nothing_and_is_retried(shop: Bronze) -> None:
    report = shop.folder / "report.md"
    ran = shop("batch", *BOTH, *BROKEN, "--report", str(report), "--json")
    assert ran.status == 1
    assert {each["status"] for each in ran.json["runs"]} == {"committed"}
    told = {each["pipeline"]: each for each in ran.json["tables"]}
    assert told["shop.items"]["status"] == "committed"
    assert told[NAME]["status"] == "failed"
    assert told[NAME]["error_code"] == "QUAL001"
    text = report.read_text()
    heading = f"# Batch {ran.json['batch']}: all 6 runs committed, 1 of 2 tables up to date"
    assert text.splitlines()[0] == heading
    assert f"| {NAME} | silver | QUAL001 |" in text
    assert "| curated tables | 1 of 2 up to date, 1 failed |" in text
    before = tree(shop.folder / "lake/shop")

    plan = shop.well("batch", "--retry-failed", "last", "--dry-run").out
    assert f"silver     {NAME}" in plan
    assert "0 runs" in plan
    assert tables(shop, "--retry-failed", "last") == [(NAME, "committed")]
    assert tree(shop.folder / "lake/shop") == before


def test_people_read_which_table_failed(shop: Bronze) -> None:
    out = shop("batch", "--date", DAY, *BROKEN).out
    (line,) = (line for line in out.splitlines() if line.startswith(NAME))
    assert line.split()[:4] == [NAME, "silver", "failed", "QUAL001"]
    assert "silver     1 of 2 tables are up to date; failed: 1 QUAL001\n" in out


def test_a_pipeline_that_landed_nothing_makes_no_table(shop: Bronze) -> None:
    (shop.folder / f"in/items-{DAY}.csv").unlink()
    assert tables(shop, "--date", DAY, status=1) == [
        ("shop.items", "skipped"),
        (NAME, "committed"),
    ]
    assert not (shop.folder / "lake/silver/shop/items").exists()
    # What landed before the failure goes in all the same.
    assert tables(shop, *BOTH, status=1) == [("shop.items", "committed"), (NAME, "committed")]


def test_a_batch_of_one_layer(shop: Bronze) -> None:
    assert tables(shop, *BOTH, "--only", "bronze") == []
    assert not (shop.folder / TABLE).exists()
    ran = shop.well("batch", "--only", "silver", "--json").json
    assert ran["runs"] == []
    assert [each["status"] for each in ran["tables"]] == ["committed", "committed"]
    assert tables(shop, NAME, "--only", "silver") == [(NAME, "committed")]
    for options in (("--date", DAY), ("--full-refresh",), ("--retry-failed", "last")):
        assert shop("batch", "--only", "silver", *options).status == 2
    listed = shop.well("batch", "--date", DAY, "--dry-run", "--json").json
    assert [each for each in listed if "layer" in each] == [
        {"pipeline": "shop.items", "layer": "silver"},
        {"pipeline": NAME, "layer": "silver"},
    ]


def test_no_table_is_begun_after_the_first_failure(shop: Bronze) -> None:
    (shop.folder / f"in/orders-{DAY}.csv").unlink()
    one_by_one = ("--fail-fast", "--max-parallel", "1")
    assert tables(shop, NAME, *BOTH, *one_by_one, status=4) == [(NAME, "left")]
    assert not (shop.folder / TABLE).exists()


def test_a_backfill_makes_the_table_after_its_dates(shop: Bronze) -> None:
    found = shop.well("backfill", NAME, *BOTH, "--json").json
    assert [each["status"] for each in found["dates"]] == ["committed", "committed"]
    assert found["table"]["status"] == "committed"
    assert (found["table"]["generation"], found["table"]["rows"]) == (1, 2)
    assert "silver    nothing new, generation 1, 2 rows" in shop.well("backfill", NAME, *BOTH).out
    assert shop.well("backfill", "shop.plain", *BOTH, "--json").json["table"] is None


def test_a_backfill_is_repeated_for_its_table_alone(shop: Bronze) -> None:
    ran = shop("backfill", NAME, *BOTH, *BROKEN)
    assert ran.status == 1
    assert f"`bronze silver {NAME}` goes on from there" in ran.out
    landed = tree(shop.folder / "lake/shop")
    found = shop.well("backfill", NAME, *BOTH, "--json").json
    assert [each["status"] for each in found["dates"]] == ["skipped", "skipped"]
    assert found["table"]["status"] == "committed"
    assert tree(shop.folder / "lake/shop") == landed


def test_a_backfill_of_one_layer(shop: Bronze) -> None:
    found = shop.well("backfill", NAME, *BOTH, "--only", "bronze", "--json").json
    assert found["table"] is None
    ran = shop("backfill", NAME, *BOTH, "--only", "silver")
    assert ran.status == 2
    assert f"`bronze silver {NAME} --from {DAY} --to {NEXT}`" in ran.errors[0]


def test_a_worker_of_a_cluster_makes_the_tables_of_its_parcel(shop: Bronze) -> None:
    day = date.fromisoformat(DAY)
    file = shop.folder / "pipelines.toml"
    text = file.read_text()
    for relative in ('"lake', '"in/'):  # a worker may be in any directory
        text = text.replace(relative, f'"{shop.folder}/{relative[1:]}')
    file.write_text(text)
    parcel = Parcel(
        version=__version__,
        number=0,
        batch="b",
        started_at=datetime.now(UTC),
        texts=read_texts(file),
        runs=((NAME, day), ("shop.plain", day)),
    )
    signs: list[Sign] = []
    at_work = partial(land, worker="w", is_wanted=lambda: True, tell=signs.append)
    answer = anyio.run(at_work, parcel)
    assert answer.report is not None
    assert [(each.pipeline, each.status) for each in answer.report.tables] == [(NAME, "committed")]
    told = [(sign.run.layer, sign.run.pipeline) for sign in signs if isinstance(sign, Ended)]
    assert ("silver", NAME) in told
    # Of a worker that died after the commits another one is told: it finds nothing to do.
    again = anyio.run(at_work, parcel)
    assert again.report is not None
    (table,) = again.report.tables
    assert (table.status, table.generation) == ("committed", 1)
    assert {run.generation for run in again.report.runs} == {1}


def test_a_pipeline_without_a_table_that_is_named_is_a_fault(shop: Bronze) -> None:
    for asked in (["shop.plain"], [NAME, "shop.plain"], ["shop.pl*"]):
        for dry in ([], ["--dry-run"]):
            ran = shop("batch", *asked, "--only", "silver", *dry)
            assert (ran.status, ran.out) == (2, "")
            (error,) = ran.errors
            assert error.startswith("CFG001 shop.plain: no [silver]")
            assert "add [pipelines.shop.plain.silver]" in error
    assert not (shop.folder / "lake").exists()


def test_a_pipeline_without_a_table_that_a_glob_finds_too_is_left_out_and_told(
    shop: Bronze,
) -> None:
    shop.well("batch", "--date", DAY, "--only", "bronze")
    for asked in ([], ["shop.*"]):
        ran = shop.well("batch", *asked, "--only", "silver", "--json")
        assert [each["pipeline"] for each in ran.json["tables"]] == ["shop.items", NAME]
        assert "left out, for they have no [silver]: shop.plain" in ran.err
    assert "left out" not in shop.well("batch", NAME, "--only", "silver").err
