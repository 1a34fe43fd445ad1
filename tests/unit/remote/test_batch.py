"""Batches whose runs are elsewhere: parcels, what is lost, what crosses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, final

import anyio
import anyio.lowlevel
import msgspec
import pytest

from bronze_engine.config.load import Texts, load_config, load_texts, read_texts
from bronze_engine.engine import open_engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.report import RunReport
from bronze_engine.remote.batch import RemoteBatch
from bronze_engine.remote.cluster import Lost
from bronze_engine.remote.land import ANSWER_SECONDS, land
from bronze_engine.remote.masked_logs import masked_logs
from bronze_engine.remote.parcel import Answer, Begun, Ended, Parcel, encode
from bronze_engine.telemetry.events import (
    BatchFinished,
    BatchRunEnded,
    BatchStarted,
    Event,
    RunFinished,
    RunStarted,
)
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

DAY = date(2025, 1, 15)
SECRET = "hunter2-of-the-command"
MAIN = """\
include = ["more/*.toml"]
[engine]
target = "/lake"
[apis.shop]
base_url = "http://127.0.0.1:9"
auth = { type = "bearer", token = "${SHOP_KEY}" }
[pipelines.a.x]
source = { type = "http", api = "shop", path = "/x" }
[pipelines.a.y]
after = ["x"]
source = { type = "http", api = "shop", path = "/y" }
"""
MORE = """\
[pipelines.b.z]
source = { type = "http", api = "shop", path = "/z" }
"""


@final
class Cluster:
    """Workers that answer as they are told to, with `a.x` and the like committed by default."""

    threads = 2

    def __init__(self, answers: Mapping[str, Callable[[Parcel], Any]] | None = None) -> None:
        self.answers = answers or {}
        """What becomes of the parcel that has a pipeline."""
        self.texts: list[str] = []
        self.tell: Callable[[str], None] = print

    def listen(self, hear: Callable[[str], None], /) -> None:
        self.tell = hear

    async def land(self, key: str, text: str, /) -> str:
        self.texts.append(text)
        parcel = msgspec.json.decode(text, type=Parcel)
        assert key == f"bronze-{parcel.batch}-{parcel.number}"
        for name, _ in parcel.runs:
            if name in self.answers:
                result = self.answers[name](parcel)
                return str(result if isinstance(result, str) else await result)
        self.tell(encode(Begun(batch=parcel.batch, parcel=parcel.number, worker="w")))
        return committed(parcel)


def committed(parcel: Parcel) -> str:
    runs = tuple(
        BatchRun(pipeline=name, run_date=day, status="committed", rows=2, generation=1)
        for name, day in parcel.runs
    )
    report = BatchReport(
        batch=parcel.batch, started_at=parcel.started_at, seconds=0, max_parallel=1, runs=runs
    )
    return encode(Answer(report=report))


def write(folder: Path, main: str = MAIN) -> Path:
    (folder / "more").mkdir(exist_ok=True)
    (folder / "more/b.toml").write_text(MORE)
    (folder / "pipelines.toml").write_text(main)
    return folder / "pipelines.toml"


async def batch(
    folder: Path, cluster: Cluster, *names: str, events: list[Event] | None = None, **options: Any
) -> BatchReport:
    path = write(folder)
    config = load_config(path, environ={"SHOP_KEY": SECRET})
    hooks = [] if events is None else [events.append]
    async with open_engine(config, hooks=hooks) as engine:
        remote = RemoteBatch(
            engine,
            [(name, DAY) for name in names or ("b.z", "a.y", "a.x")],
            cluster=cluster,
            texts=read_texts(path),
            batch="b1",
            **options,
        )
        with anyio.CancelScope():
            return await remote.run()
        return remote.report()


def statuses(report: BatchReport) -> dict[str, str]:
    return {run.pipeline: run.error_code or run.status for run in report.runs}


async def test_runs_come_back_in_order_and_what_depends_on_each_other_is_one_parcel(
    tmp_path: Path,
) -> None:
    events: list[Event] = []
    cluster = Cluster()
    report = await batch(tmp_path, cluster, events=events)
    assert [run.pipeline for run in report.runs] == ["b.z", "a.y", "a.x"]
    assert {(run.status, run.rows) for run in report.runs} == {("committed", 2)}
    assert report.exit_code == 0
    parcels = [msgspec.json.decode(text, type=Parcel) for text in cluster.texts]
    assert sorted(sorted(name for name, _ in each.runs) for each in parcels) == [
        ["a.x", "a.y"],
        ["b.z"],
    ]
    kinds = [type(event) for event in events]
    assert kinds == [BatchStarted, *[BatchRunEnded] * 3, BatchFinished]


async def test_files_cross_as_they_are_written_and_secrets_do_not(tmp_path: Path) -> None:
    cluster = Cluster()
    await batch(tmp_path, cluster)
    assert all("${SHOP_KEY}" in text and SECRET not in text for text in cluster.texts)
    texts = msgspec.json.decode(cluster.texts[0], type=Parcel).texts
    assert texts == Texts(("pipelines.toml", MAIN), (("more/b.toml", MORE),))
    config = load_texts(texts, environ={"SHOP_KEY": "of-the-worker"})
    assert config.names == ("a.x", "a.y", "b.z")
    assert config.pipeline("b.z").name == "b.z"
    assert config.secrets == {"of-the-worker"}
    assert config.engine.log_dir == ""


async def test_what_has_ended_is_told_as_it_is_heard(tmp_path: Path) -> None:
    report = RunReport(
        pipeline="b.z",
        system="b",
        entity="z",
        run_date=DAY,
        run="r1",
        attempt="a1",
        status="committed",
        partition="/lake/b/z/dt=2025-01-15",
        rows=2,
        started_at=datetime(2025, 1, 16, tzinfo=UTC),
        seconds=0.5,
    )

    async def told(parcel: Parcel) -> str:
        run = BatchRun(pipeline="b.z", run_date=DAY, status="committed", rows=2, report=report)
        cluster.tell(encode(Ended(batch="b1", run=run)))
        heard.extend(events)
        return committed(parcel)

    events: list[Event] = []
    heard: list[Event] = []
    cluster = Cluster({"b.z": told})
    await batch(tmp_path, cluster, "b.z", events=events)
    assert [type(event) for event in heard] == [
        BatchStarted,
        RunStarted,
        RunFinished,
        BatchRunEnded,
    ]
    assert len(events) == len(heard) + 1  # the batch's end
    finished = heard[2]
    assert isinstance(finished, RunFinished)
    assert (finished.run, finished.rows, finished.report) == ("r1", 2, report)


async def test_a_parcel_that_is_lost_keeps_what_was_told_of_it(tmp_path: Path) -> None:
    async def lost(_: Parcel) -> str:
        run = BatchRun(pipeline="a.x", run_date=DAY, status="committed", rows=7)
        cluster.tell(encode(Ended(batch="b1", run=run)))
        other = BatchRun(pipeline="a.y", run_date=DAY, status="committed", rows=7)
        cluster.tell(encode(Ended(batch="b2", run=other)))  # another command's
        raise Lost("the workers that ran it have died")

    cluster = Cluster({"a.x": lost})
    report = await batch(tmp_path, cluster)
    assert statuses(report) == {"b.z": "committed", "a.y": "RETRY001", "a.x": "committed"}
    assert "the workers that ran it have died" in report.with_status("failed")[0].message
    assert report.exit_code == 1


async def test_a_parcel_has_two_workers_and_no_third(tmp_path: Path) -> None:
    async def dying(parcel: Parcel) -> str:
        for worker in ("one", "two", "three"):
            cluster.tell(encode(Begun(batch=parcel.batch, parcel=parcel.number, worker=worker)))
            await anyio.lowlevel.checkpoint()
        raise AssertionError("a third worker went on")

    cluster = Cluster({"b.z": dying})
    report = await batch(tmp_path, cluster)
    assert statuses(report) == {"b.z": "RETRY001", "a.y": "committed", "a.x": "committed"}
    assert "2 workers have died while they ran it" in report.with_status("failed")[0].message


async def test_what_a_worker_refuses_is_cfg001(tmp_path: Path) -> None:
    cluster = Cluster({"b.z": lambda _: encode(Answer(refusal="no such thing here"))})
    report = await batch(tmp_path, cluster, "b.z")
    assert statuses(report) == {"b.z": "CFG001"}
    assert (report.runs[0].message, report.exit_code) == ("no such thing here", 2)


async def test_with_fail_fast_what_no_worker_has_begun_is_left(tmp_path: Path) -> None:
    async def waiting(_: Parcel) -> str:
        await anyio.sleep_forever()
        raise AssertionError

    cluster = Cluster(
        {"a.x": waiting, "b.z": lambda _: encode(Answer(refusal="no such thing here"))}
    )
    report = await batch(tmp_path, cluster, fail_fast=True)
    assert statuses(report) == {"b.z": "CFG001", "a.y": "left", "a.x": "left"}


async def test_a_target_that_only_this_machine_has_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, MAIN.replace('"/lake"', '"lake"'))
    config = load_config(path, environ={"SHOP_KEY": SECRET})
    async with open_engine(config) as engine:
        with pytest.raises(ConfigError, match="'lake' is relative to a directory"):
            RemoteBatch(
                engine, [("b.z", DAY)], cluster=Cluster(), texts=read_texts(path), batch="b1"
            )


async def test_any_relative_path_of_a_configuration_from_elsewhere_is_refused() -> None:
    main = MAIN.replace('token = "${SHOP_KEY}"', 'token = "${file:secrets/key}"')
    config = load_texts(Texts(("pipelines.toml", main)), environ={})
    with pytest.raises(ConfigError, match="'secrets/key' is relative to a directory"):
        config.pipeline("a.x")


async def test_a_worker_of_another_version_runs_nothing(tmp_path: Path) -> None:
    cluster = Cluster()
    await batch(tmp_path, cluster, "b.z")
    parcel = msgspec.json.decode(cluster.texts[0], type=Parcel)
    parcel = msgspec.structs.replace(parcel, version="99.0")
    answer = await land(parcel, worker="w", is_wanted=lambda: True, tell=lambda _: None)
    assert answer.report is None
    assert "the command 99.0" in str(answer.refusal)


async def test_a_parcel_that_is_given_up_at_once_is_not_begun(tmp_path: Path) -> None:
    cluster = Cluster()
    await batch(tmp_path, cluster, "b.z")
    clock = ManualClock()
    parcel = msgspec.json.decode(cluster.texts[0], type=Parcel)
    answer = await clock.drive(
        land(parcel, worker="w", is_wanted=lambda: False, tell=lambda _: None, clock=clock)
    )
    assert answer == Answer(refusal="nobody waits for it any more")
    assert clock.monotonic() == ANSWER_SECONDS


async def test_a_worker_without_the_secret_says_which_variable_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_KEY", raising=False)
    cluster = Cluster()
    await batch(tmp_path, cluster, "b.z")
    signs: list[object] = []
    clock = ManualClock()
    parcel = msgspec.json.decode(cluster.texts[0], type=Parcel)
    answer = await clock.drive(
        land(parcel, worker="w", is_wanted=lambda: True, tell=signs.append, clock=clock)
    )
    assert answer.report is not None
    assert answer.report.exit_code == 2
    assert "SHOP_KEY is not set" in answer.report.runs[0].message
    assert [type(sign) for sign in signs] == [Begun, Ended]


async def test_what_a_worker_logs_is_masked_and_others_lines_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours, other = logging.getLogger("bronze_engine.x"), logging.getLogger("elsewhere")
    with masked_logs(lambda text: text.replace(SECRET, "***")):
        ours.warning("the server said %s", SECRET)
        other.warning("about %s", SECRET)
        try:
            raise ValueError(SECRET)
        except ValueError:
            ours.exception("it failed")
    ours.warning("after it %s", SECRET)
    assert caplog.messages == [
        "the server said ***",
        f"about {SECRET}",
        "it failed",
        f"after it {SECRET}",
    ]
    assert "ValueError: ***" in caplog.text


async def test_tables_that_the_workers_have_made_are_in_the_report(tmp_path: Path) -> None:
    def made(parcel: Parcel) -> str:
        answer = msgspec.json.decode(committed(parcel), type=Answer)
        assert answer.report is not None
        table = BatchRun(layer="silver", pipeline="b.z", run_date=DAY, status="committed", rows=1)
        return encode(Answer(report=msgspec.structs.replace(answer.report, tables=(table,))))

    events: list[Event] = []
    cluster = Cluster({"b.z": made})
    report = await batch(tmp_path, cluster, events=events)
    # The command need not know of it: its configuration has no table.
    assert [(each.pipeline, each.status) for each in report.tables] == [("b.z", "committed")]
    assert [run.layer for run in report.runs] == ["bronze"] * 3
    ended = [event.result for event in events if isinstance(event, BatchRunEnded)]
    assert [run.layer for run in ended].count("silver") == 1


async def test_tables_alone_are_parcels_too(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), environ={"SHOP_KEY": SECRET})
    cluster = Cluster()
    async with open_engine(config) as engine:
        texts = read_texts(tmp_path / "pipelines.toml")
        remote = RemoteBatch(engine, [], cluster=cluster, texts=texts, batch="b1", tables=["b.z"])
        report = await remote.run()
    parcels = [msgspec.json.decode(text, type=Parcel) for text in cluster.texts]
    assert [(parcel.runs, parcel.tables) for parcel in parcels] == [((), ("b.z",))]
    assert [(each.pipeline, each.status) for each in report.tables] == [("b.z", "left")]
