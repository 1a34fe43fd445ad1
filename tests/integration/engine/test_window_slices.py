"""The steps of a window as slices: how many, that their end stays, and that pages count on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bronze_engine.config.load import Config
from bronze_engine.contracts import Store
from bronze_engine.errors import ExtractError
from bronze_engine.model.report import RunReport
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event, PageFetched
from bronze_engine.testing import ManualClock
from tests.integration.http_server import Seen, Server, answer, serve
from tests.unit.run.harness import DAY, NAME, load_text, manifest_of, opened, table_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
proxy = "none"
concurrency = 8
[pipelines.team.orders]
load = "incremental"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.incremental]
cursor = "at"
initial = {initial}
step = "{step}"
start_param = "since"
end_param = "until"
{more}
"""


class Hours:
    """One row an hour; from a step on it refuses, while it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses_from: str | None = None

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        since = seen.query["since"]
        if self.refuses_from is not None and since >= self.refuses_from:
            return answer({"error": "gone"}, status=410)
        self.asked.append(since)
        at = datetime.fromisoformat(since) + timedelta(seconds=10)
        return answer([{"at": at.isoformat()}])


def configured(
    folder: Path, server: Server, more: str = "", *overrides: str, **values: str
) -> Config:
    known = {"initial": "2025-01-14T00:00:00Z", "step": "1h", **values}
    return load_text(CONFIG.format(url=server.url, more=more, **known), *overrides, folder=folder)


async def run(
    config: Config, store: Store, *, at: datetime | None = None, hooks: Sequence[list[Event]] = ()
) -> RunReport:
    clock = ManualClock() if at is None else ManualClock(start=at)
    async with opened(
        config, None, store=store, clock=clock, hooks=[each.append for each in hooks]
    ) as engine:
        return await engine.run(NAME, run_date=DAY)


@pytest.mark.parametrize("style", ["", 'format = "%Y-%m-%d %H:%M"', 'format = "%Y-%m-%d"'])
@pytest.mark.parametrize("takes_low_in", [True, False])
@pytest.mark.parametrize("takes_high_in", [True, False])
async def test_bounds_in_a_text_lose_no_row_at_a_seam(
    tmp_path: Path, style: str, takes_low_in: bool, takes_high_in: bool
) -> None:
    start = datetime(2025, 1, 14, tzinfo=UTC)
    rows = [{"at": (start + timedelta(hours=hour)).isoformat()} for hour in range(1, 24)]

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        low, high = (
            datetime.fromisoformat(text).replace(tzinfo=UTC) for text in seen.query["q"].split("/")
        )
        found = []
        for row in rows:
            at = datetime.fromisoformat(row["at"])
            is_late = at > low or (takes_low_in and at == low)
            if is_late and (at < high or (takes_high_in and at == high)):
                found.append(row)
        return answer(found)

    store = MemoryStore()
    async with serve(handle) as server:
        text = CONFIG.format(
            url=server.url, initial="2025-01-14T00:00:00Z", step="3h", more=style
        ).replace('start_param = "since"\nend_param = "until"\n', "")
        params = '[pipelines.team.orders.source.params]\nq = "{low}/{high}"\n'
        config = load_text(text + params, folder=tmp_path)
        await run(config, store, at=start + timedelta(days=1))
    assert (await table_of(store)).column("at").to_pylist() == [row["at"] for row in rows]


async def slices_in(store: Store) -> list[int]:
    manifest = await manifest_of(store)
    assert manifest is not None
    return [int(file.name.split("-")[3]) for file in manifest.files]


@pytest.mark.parametrize(
    ("more", "values", "steps", "per_slice"),
    [
        ("", {}, 24, 8),
        ("steps_per_slice = 5", {}, 24, 5),
        ("steps_per_slice = 100", {}, 24, 100),
        ("", {"step": "72s"}, 1200, 12),
    ],
    ids=["as many as are read side by side", "configured", "one", "a hundred at the most"],
)
async def test_a_slice_is_so_many_steps(
    more: str, values: dict[str, str], steps: int, per_slice: int, tmp_path: Path
) -> None:
    store, api = MemoryStore(ManualClock()), Hours()
    async with serve(api) as server:
        await run(configured(tmp_path, server, more, **values), store)
    assert len(api.asked) == len(set(api.asked)) == steps
    assert await slices_in(store) == list(range(-(-steps // per_slice)))


async def test_the_window_ends_where_it_did_when_the_run_began(tmp_path: Path) -> None:
    store, api = MemoryStore(ManualClock()), Hours()
    began = ManualClock().now()
    events: list[Event] = []
    async with serve(api) as server:
        config = configured(tmp_path, server, "steps_per_slice = 4")
        api.refuses_from = "2025-01-14T10:00:00Z"
        with pytest.raises(ExtractError):
            await run(config, store)
        api.refuses_from = None
        asked = len(api.asked)
        report = await run(config, store, at=began + timedelta(hours=5), hooks=[events])
    again = api.asked[asked:]
    assert min(again) == "2025-01-14T08:00:00Z"
    assert len(again) == 16, "and no hour after the run's beginning"
    assert (report.resumed_slices, report.rows) == (2, 24)
    assert report.started_at == began
    assert report.watermark is not None
    assert report.watermark.high == "2025-01-14T23:00:10+00:00"
    assert (await table_of(store)).num_rows == 24
    pages = [event.page for event in events if isinstance(event, PageFetched)]
    assert pages == list(range(9, 25)), "pages are numbered on"


async def test_a_resumed_run_is_replayed_as_it_was_landed(tmp_path: Path) -> None:
    store, api = MemoryStore(ManualClock()), Hours()
    async with serve(api) as server:
        config = configured(tmp_path, server, "steps_per_slice = 4", "source.capture=pages")
        api.refuses_from = "2025-01-14T10:00:00Z"
        with pytest.raises(ExtractError):
            await run(config, store)
        api.refuses_from = None
        assert (await run(config, store)).resumed_slices == 2
    landed = await manifest_of(store)
    async with opened(config, None, store=store, clock=ManualClock()) as engine:
        await engine.replay(NAME, run_date=DAY)
    again = await manifest_of(store)
    assert landed is not None
    assert again is not None
    assert [file.sha256 for file in again.files] == [file.sha256 for file in landed.files]
    assert again.replay_of == landed.run
    assert again.watermark == landed.watermark


async def test_steps_that_are_not_there_are_told_once_for_all_slices(tmp_path: Path) -> None:
    store = MemoryStore(ManualClock())

    async def even(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        at = datetime.fromisoformat(seen.query["since"]) + timedelta(seconds=10)
        is_there = at.hour % 2 == 0
        return answer([{"at": at.isoformat()}] if is_there else {}, status=200 if is_there else 404)

    async with serve(even) as server:
        config = configured(tmp_path, server, "steps_per_slice = 4", "source.on_not_found=empty")
        report = await run(config, store)
    assert report.rows == 12
    assert [each for each in report.warnings if "404" in each] == [
        '12 of 24 first pages were answered with 404, and count as empty (on_not_found = "empty")'
    ]


async def test_steps_of_another_size_start_afresh(tmp_path: Path) -> None:
    store, api = MemoryStore(ManualClock()), Hours()
    async with serve(api) as server:
        api.refuses_from = "2025-01-14T10:00:00Z"
        with pytest.raises(ExtractError):
            await run(configured(tmp_path, server, "steps_per_slice = 4"), store)
        api.refuses_from = None
        report = await run(configured(tmp_path, server, "steps_per_slice = 3"), store)
    assert (report.resumed_slices, report.rows) == (0, 24)


async def test_what_is_read_side_by_side_may_change_where_slices_do_not(tmp_path: Path) -> None:
    """An API's concurrency decides how many steps a slice has only where nothing else does."""
    store, api = MemoryStore(ManualClock()), Hours()
    async with serve(api) as server:
        config = configured(tmp_path, server)
        api.refuses_from = "2025-01-14T10:00:00Z"
        with pytest.raises(ExtractError):
            await run(config, store)
        api.refuses_from = None
        other = load_text(
            (tmp_path / "pipelines.toml").read_text().replace("concurrency = 8", "concurrency = 3"),
            folder=tmp_path,
        )
        report = await run(other, store)
    assert (report.resumed_slices, report.rows) == (0, 24)
    assert len(await slices_in(store)) == 8
