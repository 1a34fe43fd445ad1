"""Which files a date lands: over any days, re-runs and late files each lands exactly once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Request
from bronze_engine.errors import ExtractError
from bronze_engine.model.landed_file import LandedBefore, LandedFile
from bronze_engine.sources.files.choice import Choice, choose
from bronze_engine.sources.files.cursor import FileCursor
from bronze_engine.sources.files.entry import Entry
from bronze_engine.sources.files.places.place import Found, Place

pytestmark = pytest.mark.unit

NOW = datetime(2025, 1, 31, tzinfo=UTC)
PATTERN = re.compile(r"_(?P<n>[^.]+)\.")
NOWHERE = cast("Place", None)


def entry(name: str, **facts: Any) -> Entry:
    found = Found(key=name, path=name, **{"size_bytes": 1, "modified": NOW, **facts})
    return Entry(place=NOWHERE, found=found)


def request(low: str | None = None, cap: str | None = None, **fields: Any) -> Request:
    incremental = Incremental(
        cursor="n",
        cursor_type=fields.pop("cursor_type", "integer"),
        initial=fields.pop("initial", None),
        on_null_cursor=fields.pop("on_null_cursor", "fail"),
    )
    return Request(
        pipeline="t.e",
        system="t",
        entity="e",
        run_date=date(2025, 1, 15),
        run="r",
        load="incremental",
        started_at=NOW,
        low=low,
        cap=cap,
        incremental=incremental,
        **fields,
    )


async def _never(_: Entry) -> str:
    raise AssertionError("nothing is hashed here")


def chosen(
    entries: list[Entry],
    asked: Request,
    *,
    on_changed: Literal["warn", "read", "fail"] = "warn",
    hashes: Mapping[str, str] | None = None,
) -> Choice:
    async def sha256(one: Entry) -> str:
        return await _never(one) if hashes is None else hashes[one.path]

    assert asked.incremental is not None
    cursor = FileCursor(asked.incremental, PATTERN, asked)
    return asyncio.run(
        choose(entries, asked, cursor, now=NOW, on_changed=on_changed, sha256=sha256)
    )


def paths(choice: Choice) -> list[str]:
    return [one.path for one in choice.entries]


def before(*elsewhere: LandedFile, here: tuple[LandedFile, ...] = (), **facts: Any) -> LandedBefore:
    return LandedBefore(
        here={file.path: file for file in here},
        elsewhere={file.path: file for file in elsewhere},
        **{"is_newest": True, **facts},
    )


def landed(name: str, sha256: str = "a", **facts: Any) -> LandedFile:
    return LandedFile(path=name, sha256=sha256, **{"size_bytes": 1, "modified": NOW, **facts})


@given(
    st.lists(
        st.tuples(st.just("drop"), st.integers(0, 12))
        | st.tuples(st.just("run"), st.integers(1, 5)),
        max_size=25,
    )
)
@settings(max_examples=200, deadline=None)
def test_every_file_lands_once(steps: list[tuple[str, int]]) -> None:
    there: list[Entry] = []
    lake: dict[int, tuple[str | None, str | None, list[str]]] = {}

    def run(day: int) -> None:
        earlier = max((each for each in lake if each < day), default=None)
        later = min((each for each in lake if each > day), default=None)
        low = lake[day][0] if day in lake else None if earlier is None else lake[earlier][1]
        cap = None if later is None else lake[later][0]
        if later is not None and cap is None:
            return  # the later one was read from the beginning: STATE001
        known = LandedBefore(
            here={path: landed(path) for path in lake.get(day, (None, None, []))[2]},
            elsewhere={
                path: landed(path)
                for each, (_, _, files) in lake.items()
                if each != day
                for path in files
            },
            is_newest=later is None,
        )
        choice = chosen(there, request(low, cap, landed=known))
        had = lake.get(day, (None, None, []))[2]
        assert set(had) <= set(paths(choice)), "a re-run keeps what it had landed"
        lake[day] = low, cap or choice.high or low, paths(choice)

    for number, (what, value) in enumerate(steps):
        if what == "drop":
            there.append(entry(f"{number:02}_{value}.csv"))
        else:
            run(value)
        union = [path for _, _, files in lake.values() for path in files]
        assert len(union) == len(set(union)), "no file lands twice"
    run(max(lake, default=1))
    union = [path for _, _, files in lake.values() for path in files]
    assert sorted(union) == sorted(one.path for one in there), "no file is left out"


def test_what_lies_below_the_first_value_stays_out() -> None:
    found = [entry(f"a_{number}.csv") for number in (1, 5, 6)]
    asked = request(low="5", initial="5", low_open=False)
    assert paths(chosen(found, asked)) == ["a_5.csv", "a_6.csv"]
    late = request(low="7", initial="5", landed=before())
    assert paths(chosen(found, late)) == ["a_5.csv", "a_6.csv"]


def test_what_a_person_has_left_out_stays_out() -> None:
    found = [entry(f"a_{number}.csv") for number in (3, 6, 8)]
    asked = request(low="7", landed=before(floor="4"))
    assert paths(chosen(found, asked)) == ["a_6.csv", "a_8.csv"]


def test_an_old_date_takes_no_late_file() -> None:
    asked = request(low="5", cap="9", landed=before(is_newest=False))
    found = [entry(f"a_{number}.csv") for number in (2, 6, 11)]
    assert paths(chosen(found, asked)) == ["a_6.csv"]


@pytest.mark.parametrize(
    ("facts", "sha256", "is_changed"),
    [
        ({}, None, False),
        ({"size_bytes": 2}, None, True),
        ({"modified": datetime(2025, 1, 1, tzinfo=UTC)}, "a", False),
        ({"modified": datetime(2025, 1, 1, tzinfo=UTC)}, "b", True),
        ({"size_bytes": None, "modified": None}, "a", False),
        ({"size_bytes": None, "modified": None}, "b", True),
        ({"version": "v1", "modified": None}, None, False),
        ({"version": "v2"}, "a", False),
        ({"version": "v2"}, "b", True),
    ],
)
def test_a_change_is_told_by_what_can_tell_it(
    facts: dict[str, Any], sha256: str | None, is_changed: bool
) -> None:
    known = landed("a_1.csv", version="v1" if "version" in facts else None)
    asked = request(low="1", landed=before(known))
    hashes = None if sha256 is None else {"a_1.csv": sha256}
    choice = chosen([entry("a_1.csv", **facts)], asked, hashes=hashes)
    assert paths(choice) == []
    assert bool(choice.warnings) == is_changed


def test_a_changed_file_of_the_date_itself_is_read_and_told() -> None:
    asked = request(landed=before(here=(landed("a_1.csv"), landed("b_2.csv"))))
    choice = chosen([entry("a_1.csv", size_bytes=5)], asked)
    assert paths(choice) == ["a_1.csv"]
    assert choice.warnings == (
        "a_1.csv landed before, and changed since: read again",
        "b_2.csv, which this date had landed, was there no more",
    )


@pytest.mark.parametrize(
    ("text", "kind", "recorded"),
    [
        ("20250115", "date", "2025-01-15"),
        ("2025_01_15", "date", "2025-01-15"),
        ("20250115T103000", "timestamp", "2025-01-15T10:30:00"),
        ("20250115_1030", "timestamp", "2025-01-15T10:30:00"),
        ("20250115T103000Z", "timestamp", "2025-01-15T10:30:00Z"),
        ("2025-01-15", "timestamp", "2025-01-15T00:00:00"),
        ("0042", "integer", "42"),
        ("b", "text", "b"),
    ],
)
def test_cursors_of_names(text: str, kind: str, recorded: str) -> None:
    asked = request(cursor_type=kind)
    assert asked.incremental is not None
    zoned = msgspec.structs.replace(
        asked.incremental, cursor_timezone="UTC" if kind == "timestamp" else None
    )
    asked = msgspec.structs.replace(asked, incremental=zoned)
    assert chosen([entry(f"a_{text}.csv")], asked).high == recorded


def test_a_name_without_a_cursor_is_a_fault_or_left_out() -> None:
    with pytest.raises(ExtractError, match="its name has no 'n'"):
        chosen([entry("a.csv")], request())
    choice = chosen([entry("a.csv"), entry("a_1.csv")], request(on_null_cursor="quarantine"))
    assert paths(choice) == ["a_1.csv"]
    assert choice.warnings == ("a.csv was left out: no cursor in the name",)


def test_what_is_remembered_is_read_anew_below_where_dates_were_removed() -> None:
    found = [entry(f"a_{number}.csv", version="2") for number in (1, 2, 8)]
    known = before(landed("a_2.csv", version="1"), removed_below="5")
    choice = chosen(
        found, request(low="7", landed=known), on_changed="read", hashes={"a_2.csv": "b"}
    )
    assert paths(choice) == ["a_2.csv", "a_8.csv"]
