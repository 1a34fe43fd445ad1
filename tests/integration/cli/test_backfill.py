"""`bronze backfill` over a real API: a month of days, broken, gone on with, told."""

from __future__ import annotations

import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bronze_engine import open_partition, read_manifest
from bronze_engine.clock import SYSTEM_CLOCK
from tests.integration.cli.command import PIPELINE, Bronze, in_background, shop, start, url_of
from tests.integration.http_server import Handler, Seen, answer

pytestmark = pytest.mark.integration

FIRST = datetime(2025, 3, 1, tzinfo=UTC)
DAYS = [FIRST.date() + timedelta(days=number) for number in range(31)]
ROWS = [
    {"id": number, "at": (FIRST + number * timedelta(hours=6)).isoformat()}
    for number in range(-8, 4 * 33)
]
RANGE = ("--from", "2025-03-01", "--to", "2025-03-31")
DATED = """
[pipelines.team.orders.incremental]
cursor = "at"
window = "date"
start_param = "since"
end_param = "until"
"""


class Api:
    """Answers with what lies between since and until, in pages of three; both ends are its own.

    Dates in `broken` are refused.
    """

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.slow_seconds = 0.0
        self.asked = 0

    async def __call__(self, seen: Seen, _: object) -> bytes:
        self.asked += 1
        since, until = seen.query["since"], seen.query["until"]
        if until[:10] in self.broken:
            return answer({"error": "out of order"}, status=404)
        await SYSTEM_CLOCK.sleep(self.slow_seconds)
        low, high = datetime.fromisoformat(since), datetime.fromisoformat(until)
        found = [row for row in ROWS if low < datetime.fromisoformat(str(row["at"])) <= high]
        page = int(seen.query.get("page", 1))
        return answer(found[3 * page - 3 : 3 * page])


def landed(folder: Path) -> list[int]:
    ids: list[int] = []
    for day in DAYS:
        if read_manifest(folder / "lake", PIPELINE, day) is not None:
            table = open_partition(folder / "lake", PIPELINE, day).to_table()
            ids += [row["id"] for row in table.to_pylist()]
    return ids


def committed_days(folder: Path) -> int:
    """How many of the days are committed."""
    return len(list(folder.glob("lake/team/orders/dt=*/_metadata.json")))


def statuses(dates: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in dates:
        found[each["status"]] = found.get(each["status"], 0) + 1
    return found


def test_a_month_is_landed_broken_and_gone_on_with(bronze: Bronze) -> None:
    shop(bronze.folder, DATED, keys='load = "incremental"')
    api: Handler = Api()
    assert isinstance(api, Api)
    # The end of a day is the first instant of the next one.
    api.broken = {"2025-03-08", "2025-03-22"}
    with in_background(api) as server:
        ran = bronze("backfill", PIPELINE, *RANGE, *url_of(server), "--parallel", "3")
        assert ran.status == 1
        assert "2025-03-07  failed" in ran.out
        assert "2025-03-07 EXT001, 2025-03-21 EXT001" in ran.out
        assert [line.split(" ", 1)[0] for line in ran.errors] == ["EXT001", "EXT001"]
        assert "(team.orders 2025-03-07)" in ran.err

        asked = api.asked
        options = ("backfill", PIPELINE, *RANGE, *url_of(server), "--dry-run")
        would = bronze.well(*options).out
        assert "would run  2025-03-07  not committed\n           2025-03-21  not com" in would
        assert "29 dates, 116 rows" in would
        todo = bronze.well(*options, "--json").json
        assert [(each["pipeline"], each["run_date"]) for each in todo] == [
            (PIPELINE, "2025-03-07"),
            (PIPELINE, "2025-03-21"),
        ]
        forced = bronze.well(*options, "--force", "--json").json
        assert {each["why"] for each in forced} == {
            "not committed",
            "committed, and asked for all the same",
        }
        elsewhere = bronze.well(*options, *url_of("http://127.0.0.1:1"), "--json").json
        assert elsewhere[0]["why"] == "landed by another configuration"
        assert (api.asked, committed_days(bronze.folder)) == (asked, 29)

        api.broken = set()
        again = bronze.well("backfill", PIPELINE, *RANGE, *url_of(server), "--json").json
        assert statuses(again["dates"]) == {"skipped": 29, "committed": 2}
        assert sorted(landed(bronze.folder)) == list(range(4 * 31))
        for day in ("2025-03-31", "2025-03-01", "2025-03-16"):
            bronze.well("run", PIPELINE, "--date", day, *url_of(server))
        assert sorted(landed(bronze.folder)) == list(range(4 * 31))
        done = bronze.well("backfill", PIPELINE, *RANGE, *url_of(server))
    assert "skipped   31 dates, 124 rows" in done.out


def test_all_that_fail_alike_exit_with_their_own_code(bronze: Bronze) -> None:
    shop(bronze.folder, DATED, keys='load = "incremental"')
    api = Api()
    api.broken = {"2025-03-02", "2025-03-03"}
    with in_background(api) as server:
        dates = ("--from", "2025-03-01", "--to", "2025-03-02", "--json")
        ran = bronze("backfill", PIPELINE, *dates, *url_of(server))
    assert ran.status == 4
    assert [each["error_code"] for each in ran.json["dates"]] == ["EXT001", "EXT001"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "2025-13-01", "--to", "2025-03-02"), "--from '2025-13-01' is no date"),
        (("--from", "2025-03-01", "--to", "tomorrow"), "--to 'tomorrow' is no date"),
        (("--from", "2025-03-02", "--to", "2025-03-01"), "there is no date"),
        (("--from", "2025-03-02", "--to", "9999-01-01"), "is after today"),
        (RANGE, "would land today's data under every date"),
    ],
)
def test_what_is_no_backfill_is_cfg001(
    bronze: Bronze, arguments: tuple[str, ...], message: str
) -> None:
    shop(bronze.folder)
    ran = bronze("backfill", PIPELINE, *arguments)
    assert ran.status == 2
    assert message in ran.err
    assert ran.out == ""


def test_a_signal_keeps_what_is_committed_and_tells_what_is_left(bronze: Bronze) -> None:
    shop(bronze.folder, DATED, keys='load = "incremental"')
    api = Api()
    api.slow_seconds = 0.1
    with in_background(api) as server:
        arguments = ["backfill", PIPELINE, *RANGE, *url_of(server), "--parallel", "1"]
        process = start(["-m", "bronze_engine", *arguments], bronze.folder)
        while read_manifest_of(bronze.folder / "lake", DAYS[1]) is None:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "what was committed stays as it is" in err
        assert out.count("  committed  ") >= 2
        assert "2025-03-31  left" in out
        assert "run the same command again" in out
        api.slow_seconds = 0.0
        again = bronze.well("backfill", PIPELINE, *RANGE, *url_of(server), "--json").json
    assert statuses(again["dates"])["skipped"] == out.count("  committed  ")
    assert sorted(landed(bronze.folder)) == list(range(4 * 31))


def read_manifest_of(lake: Path, day: date) -> object:
    path = lake / "team" / "orders" / f"dt={day}" / "_metadata.json"
    return read_manifest(lake, PIPELINE, day) if path.exists() else None
