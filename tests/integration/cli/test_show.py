"""`bronze show` and `bronze diff`: what people see of partitions, on disk and on S3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.cli.command import (
    DATE,
    PARTITION,
    PIPELINE,
    Bronze,
    in_background,
    paged,
    shop,
    tree,
    url_of,
)
from tests.integration.cli.lake import s3_lake
from tests.integration.moto import Moto

pytestmark = pytest.mark.integration

NEXT = "2025-01-16"
KEY = 'primary_key = ["id"]'
TYPED = '\n[pipelines.team.orders.schema]\ncolumns = { amount = "decimal(18,4)" }\n'
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ada", "amount": "1.5", "note": None},
    {"id": 2, "name": "", "amount": "-0.0001", "note": "two\nlines"},
    {"id": 3, "name": "NULL", "amount": "12345678901234.5678", "note": "x" * 300},
]


def land(bronze: Bronze, rows: list[dict[str, Any]], date: str = DATE) -> None:
    with in_background(paged(rows)) as server:
        bronze.well("run", PIPELINE, "--date", date, *url_of(server))


def test_a_partition_is_shown_with_its_first_rows(bronze: Bronze) -> None:
    shop(bronze.folder, TYPED, keys=KEY)
    land(bronze, ROWS)
    before = tree(bronze.folder)
    lines = bronze.well("show", PIPELINE, "--date", DATE).out.splitlines()
    assert tree(bronze.folder) == before
    facts = dict(line.split(None, 1) for line in lines[: lines.index("")] if "  " in line)
    assert facts["rows"] == "3"
    assert facts["key"] == "id"
    assert facts["partition"] == str(bronze.folder / PARTITION)
    assert any("amount" in line and "decimal128(18, 4)" in line for line in lines)
    header, *rows = lines[lines.index("") + 1 :][:4]
    assert header.split()[:4] == ["id", "name", "amount", "note"]
    assert rows[0].split()[:4] == ["1", "Ada", "1.5000", "NULL"]
    assert rows[1].split()[:3] == ["2", '""', "-0.0001"]
    assert r"two\nlines" in rows[1]
    assert rows[2].split()[:3] == ["3", '"NULL"', "12345678901234.5678"]
    assert "x…" in rows[2]

    found = bronze.well(
        *("show", PIPELINE, "--date", DATE, "--rows", "2", "--columns", "amount, id", "--json")
    ).json
    assert found["rows"] == [{"amount": "1.5000", "id": 1}, {"amount": "-0.0001", "id": 2}]
    assert found["manifest"]["row_count"] == 3
    more = bronze.well("show", PIPELINE, "--date", DATE, "-n", "1").out
    assert more.splitlines()[-1] == "… 2 more rows"
    assert "Ada" not in bronze.well("show", PIPELINE, "--date", DATE, "-n", "0").out


def test_what_cannot_be_shown_says_why(bronze: Bronze) -> None:
    shop(bronze.folder, TYPED, keys=KEY)
    land(bronze, ROWS)
    assert bronze("show", PIPELINE, "--date", NEXT).status == 7
    ran = bronze("show", PIPELINE, "--date", DATE, "--columns", "nmae")
    assert ran.status == 2
    assert "there is no column 'nmae'" in ran.err
    assert bronze("show", PIPELINE, "--rows", "-1").status == 2


def differs(bronze: Bronze) -> None:
    land(bronze, ROWS)
    land(bronze, [{**ROWS[0], "amount": "2"}, ROWS[1], {"id": 4, "city": "Bonn"}], NEXT)
    dates = ("--date", DATE, "--date", NEXT)
    found = bronze.well("diff", PIPELINE, *dates, "--json").json
    assert found["differs"]
    assert found["comparison"]["rows"] is None
    changes = [(each["change"], each["column"]) for each in found["comparison"]["columns"]]
    assert changes == [("added", "city")]
    rows = bronze.well("diff", PIPELINE, *dates, "--data", "--json").json["comparison"]["rows"]
    assert [rows[kind] for kind in ("only_a", "only_b", "changed", "same")] == [1, 1, 1, 1]
    assert rows["examples_changed"] == [
        {"key": {"id": 1}, "a": {"amount": "1.5000"}, "b": {"amount": "2.0000"}}
    ]
    text = bronze.well("diff", PIPELINE, *dates, "--data").out
    assert "id 1: amount 1.5000 -> 2.0000" in text
    assert f"only {NEXT}:\n  id 4" in text


def test_two_dates_are_compared(bronze: Bronze) -> None:
    shop(bronze.folder, TYPED, keys=KEY)
    differs(bronze)
    dates = ("--date", DATE, "--date", NEXT)
    assert bronze("diff", PIPELINE, *dates, "--exit-code").status == 1
    same = bronze("diff", PIPELINE, "--date", DATE, "--date", DATE, "--data", "--exit-code")
    assert (same.status, same.out.splitlines()[-1]) == (0, "no difference")
    whole = bronze.well("diff", PIPELINE, *dates, "--data", "--key", "", "--json").json
    assert [whole["comparison"]["rows"][kind] for kind in ("only_a", "only_b", "same")] == [2, 2, 1]


@pytest.mark.parametrize("options", [("--date", DATE), ("--date", DATE) * 3, ("--key", "id")])
def test_two_dates_it_must_be(bronze: Bronze, options: tuple[str, ...]) -> None:
    shop(bronze.folder, TYPED, keys=KEY)
    assert bronze("diff", PIPELINE, *options).status == 2


def test_partitions_on_s3_are_shown_and_compared(bronze: Bronze, moto: Moto) -> None:
    s3_lake(bronze.folder, moto)
    path = bronze.folder / "pipelines.toml"
    head = "[pipelines.team.orders]\n"
    path.write_text(path.read_text().replace(head, f"{head}{KEY}\n") + TYPED)
    differs(bronze)
    shown = bronze.well("show", PIPELINE, "--date", DATE, "--json").json
    assert [row["id"] for row in shown["rows"]] == [1, 2, 3]
