"""Files over the days: each lands once, whatever is run again and in whatever order."""

from __future__ import annotations

import os
import shutil
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError, ExtractError, QualityError
from bronze_engine.model.landed_file import LandedFile
from bronze_engine.sources.files.content import FileContent
from tests.integration.files.landing import Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

DAYS = [date(2025, 1, day) for day in range(1, 6)]
BY_TIME = 'url = "inbox/*.csv"\nformat = "csv"\n'
BY_NAME = BY_TIME + 'name_pattern = "sales_(?P<day>\\\\d{8})"\n'
MODIFIED = 'load = "incremental"\nincremental = { cursor = "_modified" }\n'
NAMED = 'load = "incremental"\nincremental = { cursor = "day", cursor_type = "date" }\n'
DATED = (
    'load = "incremental"\n'
    'incremental = { cursor = "day", cursor_type = "date", window = "date" }\n'
)
KEYED = 'primary_key = ["id"]\n'


def drop(lake: Lake, name: str, *ids: int, modified: datetime | None = None) -> Path:
    path = lake.inbox / name
    path.write_text("id\n" + "".join(f"{number}\n" for number in ids))
    if modified is not None:
        os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


def noon(day: int) -> datetime:
    return datetime(2025, 1, day, 12, tzinfo=UTC)


async def ids(lake: Lake, day: date) -> list[int]:
    table = await lake.table(day)
    return (
        []
        if "id" not in table.schema.names
        else [int(text) for text in table["id"].to_pylist() if text]
    )


async def test_each_day_lands_what_is_new_since_the_day_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME, MODIFIED)
    drop(lake, "b.csv", 1, modified=noon(1))
    drop(lake, "a.csv", 2, modified=noon(1) + timedelta(hours=1))
    assert await ids(lake, DAYS[0]) == [2, 1]  # by path
    drop(lake, "c.csv", 3, modified=noon(2))
    assert await ids(lake, DAYS[1]) == [3]
    assert (await lake.run(DAYS[2])).rows == 0
    window = lake.manifest(DAYS[2]).watermark
    assert window is not None
    assert window.low == window.high == noon(2).isoformat()


async def test_a_day_that_is_run_again_lands_what_it_had(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME, MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(1))
    await lake.run(DAYS[0])
    drop(lake, "b.csv", 2, modified=noon(2))
    await lake.run(DAYS[1])
    drop(lake, "c.csv", 3, modified=noon(3))
    before = [file.sha256 for file in lake.manifest(DAYS[0]).files]
    assert await ids(lake, DAYS[0]) == [1]
    assert [file.sha256 for file in lake.manifest(DAYS[0]).files] == before
    assert await ids(lake, DAYS[1]) == [2, 3]  # the newest takes what is new
    assert await ids(lake, DAYS[2]) == []


async def test_what_appears_late_lands_with_the_newest_day(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_NAME, NAMED)
    drop(lake, "sales_20250102.csv", 2)
    assert await ids(lake, DAYS[0]) == [2]
    drop(lake, "sales_20250103.csv", 3)
    drop(lake, "sales_20250101.csv", 1)
    assert await ids(lake, DAYS[1]) == [1, 3]
    assert await ids(lake, DAYS[0]) == [2]
    assert await ids(lake, DAYS[1]) == [1, 3]


async def test_a_late_file_alone_moves_no_window_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME, MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(2))
    await lake.run(DAYS[0])
    drop(lake, "late.csv", 2, modified=noon(1))
    assert await ids(lake, DAYS[1]) == [2]
    drop(lake, "c.csv", 3, modified=noon(3))
    assert await ids(lake, DAYS[2]) == [3]
    windows = [lake.manifest(day).watermark for day in DAYS[1:3]]
    assert [each and (each.low, each.high) for each in windows] == [
        (noon(2).isoformat(), noon(2).isoformat()),
        (noon(2).isoformat(), noon(3).isoformat()),
    ]
    assert await ids(lake, DAYS[1]) == [2]  # run again


async def test_each_date_lands_the_files_of_its_own_name(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_NAME, DATED)
    for number in (1, 2, 3):
        drop(lake, f"sales_2025010{number}.csv", number)
    for day in (DAYS[2], DAYS[0], DAYS[1], DAYS[0]):
        assert await ids(lake, day) == [day.day]
    assert await ids(lake, DAYS[3]) == []


async def test_names_without_the_pattern_are_no_files_of_the_source(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_NAME, NAMED)
    drop(lake, "sales_20250101.csv", 1)
    drop(lake, "other.csv", 9)
    assert await ids(lake, DAYS[0]) == [1]


async def test_members_have_the_date_of_their_archive(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_NAME.replace("*.csv", "*.zip"), NAMED)
    for day in (1, 2):
        with zipfile.ZipFile(lake.inbox / f"sales_2025010{day}.zip", "w") as archive:
            archive.writestr("part.csv", f"id\n{day}\n")
        assert await ids(lake, DAYS[day]) == [day]
    assert lake.sources(DAYS[2]) == ["sales_20250102.zip!part.csv"]


async def test_a_file_that_changes_while_it_is_read_lands_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path, BY_TIME)
    path = drop(lake, "a.csv", 1)
    plain = FileContent.landed

    async def landed(content: FileContent) -> LandedFile:
        found = await plain(content)
        drop(lake, "a.csv", 2, modified=noon(1))
        return found

    monkeypatch.setattr(FileContent, "landed", landed)
    with pytest.raises(ExtractError, match=f"{path} has changed while it was read"):
        await lake.run()


async def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/a.csv"\nformat = "csv"')
    os.mkfifo(lake.inbox / "a.csv")
    with pytest.raises(ExtractError, match="is no regular file"):
        await lake.run()


@pytest.mark.parametrize(
    ("target", "message"),
    [("gone.csv", "is a link to a file that is not there"), ("b.csv", "too many levels|Too many")],
)
async def test_a_link_that_leads_nowhere_is_not_passed_over(
    tmp_path: Path, target: str, message: str
) -> None:
    lake = Lake(tmp_path, 'url = "inbox/*.csv"\nformat = "csv"')
    drop(lake, "a.csv", 1)
    (lake.inbox / "b.csv").symlink_to(target)
    with pytest.raises(ExtractError, match=message):
        await lake.run()


async def test_files_within_a_directory_that_is_a_store(tmp_path: Path) -> None:
    stores = '[stores.shop]\npath = "./inb[o]x {y}"\n'
    lake = Lake(tmp_path, 'url = "in/*.csv"\nstore = "shop"\nformat = "csv"', stores=stores)
    folder = tmp_path / "inb[o]x {y}/in"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("id\n1\n")
    assert await ids(lake, DAYS[0]) == [1]


async def test_a_name_whose_date_is_none_ends_the_run(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_NAME, NAMED)
    drop(lake, "sales_20250231.csv", 1)
    with pytest.raises(ExtractError, match="day is '20250231', which is no date"):
        await lake.run()


async def test_a_changed_file_is_reported_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake(tmp_path, BY_TIME, MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(1))
    await lake.run(DAYS[0])
    drop(lake, "a.csv", 1, 2, modified=noon(2))
    drop(lake, "b.csv", 3, modified=noon(2))
    report = await lake.run(DAYS[1])
    assert report.rows == 1
    (told,) = (text for text in report.warnings if "a.csv landed before, and changed" in text)
    assert caplog.messages.count(f"drop.it {DAYS[1]}: {told}") == 1


async def test_one_of_the_same_size_is_told_by_its_hash(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME, MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(1))
    drop(lake, "b.csv", 2, modified=noon(1))
    await lake.run(DAYS[0])
    drop(lake, "a.csv", 1, modified=noon(2))  # touched
    drop(lake, "b.csv", 9, modified=noon(2))
    (warning,) = (await lake.run(DAYS[1])).warnings
    assert "b.csv landed before, and changed since" in warning
    assert "a.csv" not in warning


async def test_a_copy_under_another_name_lands_and_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME, MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(1))
    await lake.run(DAYS[0])
    drop(lake, "b.csv", 1, modified=noon(2))
    report = await lake.run(DAYS[1])
    assert report.rows == 1
    assert [text for text in report.warnings if "b.csv has the bytes of" in text]


async def test_a_changed_file_lands_once_more_where_it_may(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME + 'on_changed = "read"\n', KEYED + MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(1))
    await lake.run(DAYS[0])
    drop(lake, "a.csv", 1, 2, modified=noon(2))
    assert await ids(lake, DAYS[1]) == [1, 2]
    assert await ids(lake, DAYS[2]) == []


async def test_a_changed_file_fails_the_run_where_it_must_not_change(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME + 'on_changed = "fail"\n', MODIFIED)
    drop(lake, "a.csv", 1, modified=noon(1))
    await lake.run(DAYS[0])
    drop(lake, "a.csv", 2, 3, modified=noon(2))
    with pytest.raises(ExtractError, match="changed since"):
        await lake.run(DAYS[1])


async def test_what_may_still_be_written_waits(tmp_path: Path) -> None:
    more = 'load = "incremental"\nincremental = { cursor = "_modified", lag = "1h" }\n'
    lake = Lake(tmp_path, BY_TIME, more)
    drop(lake, "a.csv", 1, modified=datetime.now(UTC) - timedelta(minutes=50))
    drop(lake, "b.csv", 2, modified=datetime.now(UTC) - timedelta(minutes=70))
    assert await ids(lake, DAYS[0]) == [2]


async def test_a_full_load_reads_everything_each_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path, BY_TIME)
    drop(lake, "a.csv", 1)
    assert await ids(lake, DAYS[0]) == [1]
    drop(lake, "b.csv", 2)
    assert await ids(lake, DAYS[1]) == [1, 2]
    assert lake.sources(DAYS[1]) == ["a.csv", "b.csv"]


async def test_a_run_date_in_the_path(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/{run_date:%Y}/{run_date}_*.csv"\nformat = "csv"')
    (lake.inbox / "2025").mkdir()
    drop(lake, "2025/2025-01-01_x.csv", 1)
    drop(lake, "2025/2025-01-02_x.csv", 2)
    assert await ids(lake, DAYS[1]) == [2]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_a_column_says_which_file_a_row_came_from(tmp_path: Path, form: str) -> None:
    source = f'url = "inbox/*"\nformat = "{form}"\nfile_column = "_file"'
    lake = Lake(tmp_path, source)
    texts = {"a": "x\n1\n", "b": "x,y\n2,3\n"}
    if form == "ndjson":
        texts = {"a": '{"x": "1"}\n', "b": '{"x": "2", "y": "3"}\n'}
    for name, text in texts.items():
        (lake.inbox / name).write_text(text)
    for day in DAYS[:2]:  # the second begins with the columns of the first
        landed = await lake.table(day)
        names = [str(path).rpartition("/")[2] for path in landed["_file"].to_pylist()]
        assert list(zip(names, landed["x"].to_pylist(), landed["y"].to_pylist(), strict=True)) == [
            ("a", "1", None),
            ("b", "2", "3"),
        ]
    assert lake.manifest(DAYS[1]).schema_changes == ()
    lake.configure(source.replace('_file"', 'y"'))
    with pytest.raises(QualityError, match="the files have a column of that name"):
        await lake.run(DAYS[2])


async def test_no_file_is_a_fault_that_names_what_is_near(tmp_path: Path) -> None:
    lake = Lake(tmp_path, 'url = "inbox/sale_*.csv"\nformat = "csv"')
    drop(lake, "sales_1.csv", 1)
    with pytest.raises(
        ExtractError, match=r"no file matches .*sale_\*\.csv; near it are .*sales_1"
    ):
        await lake.run()
    lake.configure('url = "inbox/sale_*.csv"\nformat = "csv"\non_missing = "empty"')
    assert (await lake.run()).rows == 0


@pytest.mark.parametrize(
    ("source", "more", "why"),
    [
        (BY_TIME, 'load = "incremental"\nincremental = { cursor = "day" }\n', "files are new by"),
        (
            BY_NAME,
            MODIFIED.replace('"_modified"', '"_modified", cursor_type = "date"'),
            "timestamp",
        ),
        (BY_TIME + 'on_changed = "read"\n', "", "no effect without"),
        (BY_TIME + 'on_changed = "read"\n', MODIFIED, "set the pipeline's primary_key"),
        (BY_TIME + 'name_pattern = "("\n', "", "is no regular expression"),
        (BY_TIME + 'records = "a"\n', "", 'is for format = "json"'),
        (BY_TIME + 'member = "x"\ncompression = "gzip"\n', "", "is for ZIP archives"),
        ('url = "ftp://x/y"\nformat = "csv"\n', "", 'scheme "ftp" is unknown'),
        ('url = "https://x/*.csv"\nformat = "csv"\n', "", "HTTP can't list"),
        ('url = "a/{low}.csv"\nformat = "csv"\n', "", "known is {run_date}"),
        ('url = "s3://bucket"\nformat = "csv"\n', "", "names no file"),
    ],
)
async def test_what_contradicts_itself_is_told_before_anything_is_opened(
    tmp_path: Path, source: str, more: str, why: str
) -> None:
    lake = Lake(tmp_path, source, more)
    with pytest.raises(ConfigError) as raised:
        await lake.run()
    assert why in str(raised.value)


async def test_what_dates_had_landed_that_retention_has_removed_does_not_land_again(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path, BY_NAME, NAMED)
    for day in (1, 2, 3):
        drop(lake, f"sales_2025010{day}.csv", day)
        assert await ids(lake, DAYS[day - 1]) == [day]
    for removed in DAYS[:2]:
        shutil.rmtree(tmp_path / "bronze" / "drop" / "it" / f"dt={removed}")
    drop(lake, "sales_20250104.csv", 4)
    assert await ids(lake, DAYS[3]) == [4]
    assert await ids(lake, DAYS[2]) == [3]
