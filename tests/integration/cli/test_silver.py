"""`bronze silver`, and `bronze run` of a pipeline that has a curated table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli.command import Bronze, Ran, tree
from tests.integration.cli.curated import DAY, NAME, NEXT, TABLE, configure, snapshot

pytestmark = pytest.mark.integration

BROKEN = ("--set", f'pipelines.{NAME}.silver.order_by=["nope"]')
MISSPELT = ("--set", f'pipelines.{NAME}.silver.order_by=["statis"]')


@pytest.fixture
def shop(bronze: Bronze) -> Bronze:
    """Two days of a source: an order is paid, one is gone, one has come."""
    configure(bronze.folder)
    snapshot(bronze.folder, DAY, "1,new", "2,new")
    snapshot(bronze.folder, NEXT, "1,paid", "3,new")
    return bronze


def pairs(text: str) -> dict[str, str]:
    """The `name  value` lines."""
    lines = (line.split("  ", 1) for line in text.splitlines() if "  " in line.strip())
    return {name: value.strip() for name, value in lines if name}


def rows(bronze: Bronze, *options: str) -> list[tuple[int, str, bool]]:
    found = bronze.well("show", NAME, "--silver", *options, "--json").json["rows"]
    return sorted((row["id"], row["status"], row["is_deleted"]) for row in found)


def test_run_lands_and_then_makes_the_table(shop: Bronze) -> None:
    ran = shop.well("run", NAME, "--date", DAY)
    of_bronze, _, of_silver = ran.out.partition("\n\n")
    assert pairs(of_bronze)["pipeline"] == f"{NAME} {DAY}"
    told = pairs(of_silver)
    assert told["pipeline"] == f"{NAME} (silver)"
    assert told["table"] == str(shop.folder / TABLE)
    assert told["went in"] == f"{DAY}: new, generation 1, 2 rows"
    assert told["rows"] == "2"
    assert rows(shop) == [(1, "new", False), (2, "new", False)]

    both = shop.well("run", NAME, "--date", NEXT, "--json").json
    assert set(both) == {"bronze", "silver"}
    assert (both["bronze"]["layer"], both["silver"]["layer"]) == ("bronze", "silver")
    assert both["silver"]["generation"] == 2
    assert [each["run_date"] for each in both["silver"]["silver"]["inputs"]] == [NEXT]
    assert rows(shop) == [(1, "paid", False), (2, "new", True), (3, "new", False)]


def test_a_pipeline_without_a_table_prints_one_report(bronze: Bronze) -> None:
    configure(bronze.folder)
    snapshot(bronze.folder, DAY, "1,new", entity="plain")
    assert bronze.well("run", "shop.plain", "--date", DAY, "--json").json["rows"] == 1
    ran = bronze("silver", "shop.plain")
    assert ran.status == 2
    assert "has no [silver]" in ran.errors[0]


def test_only_one_of_the_two(shop: Bronze) -> None:
    landed = shop.well("run", NAME, "--date", DAY, "--only", "bronze", "--json").json
    assert landed["layer"] == "bronze"
    assert not (shop.folder / TABLE).exists()
    made = shop.well("run", NAME, "--only", "silver", "--json").json
    assert (made["layer"], made["rows"]) == ("silver", 2)
    for option in ("--full-refresh", "--no-resume", "--profile"):
        ran = shop("run", NAME, "--only", "silver", option)
        assert ran.status == 2
        assert f"{option} is about landing" in ran.errors[0]


def test_nothing_new_is_said_and_commits_nothing(shop: Bronze) -> None:
    shop.well("run", NAME, "--date", DAY)
    before = tree(shop.folder / TABLE)
    told = pairs(shop.well("silver", NAME).out)
    assert told["committed"] == "nothing new: generation 1 stands"
    assert told["rows"] == "2"
    assert tree(shop.folder / TABLE) == before


def test_a_table_that_fails_says_that_bronze_stands(shop: Bronze) -> None:
    ran = shop("run", NAME, "--date", DAY, *BROKEN)
    assert ran.status == 8
    (error,) = ran.errors
    assert error.startswith("QUAL001 ")
    assert f"Bronze of {DAY} is committed (generation 1)" in error
    assert (
        "did you mean 'status'? Bronze of" in shop("run", NAME, "--date", DAY, *MISSPELT).errors[0]
    )
    assert f"`bronze silver {NAME}` goes on from there" in error
    assert pairs(ran.out)["committed"].startswith("generation 1")
    assert not (shop.folder / TABLE / "_metadata.json").exists()

    both = shop("run", NAME, "--date", DAY, *BROKEN, "--json").json
    assert both["bronze"]["status"] == "committed"
    assert (both["silver"]["status"], both["silver"]["error_code"]) == ("failed", "QUAL001")
    shop.well("silver", NAME)
    assert rows(shop) == [(1, "new", False), (2, "new", False)]


def test_what_does_not_land_begins_no_table(shop: Bronze) -> None:
    ran = shop("run", NAME, "--date", "2025-01-17", "--json")
    assert ran.status == 4
    assert ran.json["bronze"]["status"] == "failed"
    assert ran.json["silver"] is None
    assert not (shop.folder / TABLE).exists()


def test_dates_that_are_not_asked_for_stay_pending(shop: Bronze) -> None:
    for day in (DAY, NEXT):
        shop.well("run", NAME, "--date", day, "--only", "bronze")
    told = pairs(shop.well("silver", NAME, "--date", DAY).out)
    assert told["pending"] == f"{NEXT}: not asked for; without a date all goes in"
    assert rows(shop) == [(1, "new", False), (2, "new", False)]
    shop.well("silver", NAME, "--from", DAY, "--to", NEXT)
    assert [row[1] for row in rows(shop)] == ["paid", "new", "new"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--rebuild", "--date", DAY), "leave --date, --from and --to out"),
        (("--from", DAY), "give --date, or --from and --to"),
        (("--date", DAY, "--from", DAY, "--to", NEXT), "give --date, or --from and --to"),
        (("--from", NEXT, "--to", DAY), "there is no date"),
        (("--date", "15.1.2025"), "is no date"),
    ],
    ids=["rebuild", "half", "both", "backwards", "no-date"],
)
def test_dates_that_contradict_each_other(shop: Bronze, options: tuple[str, ...], why: str) -> None:
    ran = shop("silver", NAME, *options)
    assert ran.status == 2
    assert why in ran.errors[0]


def test_a_plan_reads_manifests_alone_and_writes_nothing(shop: Bronze) -> None:
    shop.well("run", NAME, "--date", DAY)
    shop.well("run", NAME, "--date", NEXT, "--only", "bronze")
    for file in shop.folder.glob("lake/**/*.parquet"):  # whoever reads data would notice
        file.rename(file.with_suffix(".away"))
    before = tree(shop.folder)
    commands = (
        ("silver", NAME, "--dry-run"),
        ("plan", NAME, "--silver"),
        ("run", NAME, "--only", "silver", "--dry-run"),
    )
    for command in commands:
        told = pairs(shop.well(*command).out)
        assert told["goes in"] == f"{NEXT}: new, generation 1, 2 rows"
        assert told["commit"].startswith("generation 2, in place of run ")
        assert told["reads"].startswith("2 files, ")
    anew = shop.well("silver", NAME, "--rebuild", "--dry-run", "--json").json
    assert (anew["mode"], anew["generation"]) == ("rebuild", 2)
    assert [each["run_date"] for each in anew["inputs"]] == [DAY, NEXT]
    both = shop.well("run", NAME, "--date", NEXT, "--dry-run", "--json").json
    assert both["bronze"]["generation"] == 2
    assert both["silver"]["pipeline"] == NAME
    assert tree(shop.folder) == before


def test_what_the_first_run_would_do_is_told_before_anything_is_there(shop: Bronze) -> None:
    layers = shop.well("run", NAME, "--date", DAY, "--dry-run", "--json").json
    assert layers["bronze"]["generation"] == 1
    assert (layers["silver"]["mode"], layers["silver"]["generation"]) == ("rebuild", 1)
    told = shop.well("run", NAME, "--date", DAY, "--dry-run").out
    assert f"{DAY} is landed first, and goes in as well" in told


def test_a_table_is_shown_by_its_name_and_by_its_path(shop: Bronze) -> None:
    for day in (DAY, NEXT):
        shop.well("run", NAME, "--date", day)
    by_name = shop.well("show", NAME, "--silver").out
    assert shop.well("show", TABLE).out == by_name
    told = pairs(by_name)
    assert told["keeps"] == "state, history current, deletes tombstone"
    assert told["key"] == "id"
    assert told["made of"] == f"{DAY}: generation 1, 2 rows"
    assert rows(shop, "--where", "is_deleted AND status <> 'paid'") == [(2, "new", True)]
    assert shop.well("show", TABLE, "--where", "id > 3").out.splitlines()[-1] == "no such rows"
    for where in ("id >", "nope = 1", "status = 1"):
        assert shop("show", TABLE, "--where", where).status == 2
    assert shop("show", TABLE, "--silver").status == 2
    assert shop("show", NAME, "--silver", "--date", DAY).status == 2
    assert shop("show", "shop.plain", "--silver").status == 2
    assert shop("show", "shop.items", "--silver").status == 7


def test_a_table_is_verified_by_its_name_and_by_its_path(shop: Bronze) -> None:
    shop.well("run", NAME, "--date", DAY)
    for what in ((NAME, "--silver"), (TABLE,), (str(shop.folder / TABLE),)):
        assert pairs(shop.well("verify", *what).out)["verdict"] == "ok"
    (file,) = (shop.folder / TABLE).glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    for what in ((NAME, "--silver"), (TABLE,)):
        ran = shop("verify", *what)
        assert ran.status == 6
        assert f"`bronze silver {NAME} --rebuild` makes the table anew" in ran.errors[0]
    shop.well("silver", NAME, "--rebuild")
    shop.well("verify", NAME, "--silver")
    assert shop("verify", NAME, "--silver", "--date", DAY).status == 2


def test_the_runs_of_a_table_are_listed(shop: Bronze) -> None:
    shop.well("run", NAME, "--date", DAY)
    shop.well("silver", NAME)
    assert shop("silver", NAME, *BROKEN).status == 8
    shop.well("run", NAME, "--date", NEXT)
    found = shop.well("history", NAME, "--silver", "--json").json
    told = [(run["status"], run["generation"], run["is_current"]) for run in found["runs"]]
    assert told == [
        ("committed", 2, True),
        ("failed", None, False),
        ("committed", 1, False),
        ("committed", 1, False),
    ]
    lines = shop.well("history", NAME, "--silver").out.splitlines()
    assert lines[0].split()[:2] == ["started", "newest"]
    assert "nothing new" in lines[3]
    assert "failed, QUAL001" in lines[2]
    assert "  1 date   " in lines[1]
    assert len(shop.well("history", NAME, "--json").json["runs"]) == 2


def test_status_says_how_far_a_table_is_behind(shop: Bronze) -> None:
    def of(ran: Ran) -> tuple[object, ...]:
        (one,) = (each for each in ran.json if each["pipeline"] == NAME)
        table = one["silver"]
        return table["run_date"], table["pending"], table["code"]

    assert of(shop.well("status", "--json")) == (None, None, None)
    shop.well("run", NAME, "--date", DAY)
    assert of(shop.well("status", "--json")) == (DAY, 0, None)
    shop.well("run", NAME, "--date", NEXT, "--only", "bronze")
    assert of(shop.well("status", "--json")) == (DAY, 1, None)
    shop.well("run", NAME, "--date", DAY, "--only", "bronze")
    assert of(shop.well("status", "--json")) == (DAY, 2, None)
    assert shop("silver", NAME, *BROKEN).status == 8
    assert of(shop.well("status", "--json")) == (DAY, 2, "QUAL001")
    lines = shop.well("status").out.splitlines()
    assert lines[0].split()[-2:] == ["silver", "pending"]
    assert next(line for line in lines if line.startswith(NAME)).split()[-1] == "2"
    assert any(line.startswith(f"{NAME} silver  QUAL001") for line in lines)
    shop.well("silver", NAME)
    assert of(shop.well("status", "--json")) == (NEXT, 0, None)


def test_status_says_that_a_table_is_to_be_made_anew(shop: Bronze) -> None:
    """Nothing is pending, and the rows are not those that [silver] asks for."""
    changed = ("--set", f'pipelines.{NAME}.silver.history="full"')
    shop.well("run", NAME, "--date", DAY)
    ran = shop.well("status", *changed)
    assert next(line for line in ran.out.splitlines() if line.startswith(NAME)).endswith("rebuild")
    assert pairs(ran.out)[f"{NAME} silver"] == (
        "its next run makes all rows anew: [silver] has changed since"
    )
    shop.well("silver", NAME, *changed)
    (told,) = (
        one["silver"]["rebuild"]
        for one in shop.well("status", "--json", *changed).json
        if one["pipeline"] == NAME
    )
    assert told is None


def test_what_a_table_has_kept_out_is_shown(bronze: Bronze) -> None:
    configure(
        bronze.folder,
        'quality = { max_bad_rows = 1, rules = [{ rule = "not_null", column = "status" }] }',
    )
    snapshot(bronze.folder, DAY, "1,new", "2,")
    bronze.well("run", NAME, "--date", DAY)
    for options in ((), ("--date", DAY)):
        found = bronze.well("quarantine", "show", NAME, "--silver", *options, "--json").json
        assert found["total"] == 1
        (record,) = found["records"]
        assert "not_null" in record["reason"]
    assert bronze("quarantine", "show", NAME, "--silver", "--date", NEXT).status == 7

    snapshot(bronze.folder, NEXT, "1,", "2,")
    ran = bronze("run", NAME, "--date", NEXT)
    assert ran.status == 8
    runs = bronze.well("history", NAME, "--silver", "--json").json["runs"]
    failed = next(run["run"] for run in runs if run["status"] == "failed")
    found = bronze.well("quarantine", "show", NAME, "--silver", "--run", failed, "--json").json
    assert len(found["records"]) == 2
    assert Path(found["partition"]).name.startswith(failed)
    assert bronze("quarantine", "show", NAME, "--silver", "--run", "none").status == 7
