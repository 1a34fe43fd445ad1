"""[telemetry] and [notify] around an engine: what they hold up, and how long leaving takes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.config.load import load_config
from bronze_engine.errors import ConfigError
from bronze_engine.monitoring.opened import Monitoring, open_monitoring
from bronze_engine.monitoring.otlp import METRICS, Otlp
from bronze_engine.monitoring.queue import Consumer
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.sources import ScriptedSource, page
from bronze_engine.workers import Workers
from tests.unit.run.harness import DAY, NAME, config_of, opened
from tests.unit.telemetry.reports import finished, report_of

pytestmark = pytest.mark.unit


class Slow:
    """Takes items one by one, each for so long on the clock, and keeps when it did."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.taken: list[float] = []
        self._clock = clock
        self._seconds = seconds

    def pick(self, event: Event, /) -> Event | None:
        return event

    async def take(self, items: Any, /) -> None:
        for _ in items:
            await self._clock.sleep(self._seconds)
            self.taken.append(self._clock.monotonic())


async def left_after(
    clock: ManualClock, consumers: list[Slow], events: int, *, drains: bool = False
) -> float:
    """Tell all consumers of events and leave at once; when that was done."""

    async def use() -> None:
        async with AsyncExitStack() as stack:
            monitoring = Monitoring(clock)
            for consumer in consumers:
                typed: Consumer[Event] = consumer
                await monitoring.add(stack, typed, "slow", 10)
            for hook in monitoring.hooks:
                for _ in range(events):
                    hook(finished(report_of()))
            if drains:
                monitoring.drain()
            monitoring.leave()

    await moved(clock, use())
    return clock.monotonic()


async def moved(clock: ManualClock, work: Coroutine[Any, Any, None] | asyncio.Task[None]) -> None:
    """Do the work, while the clock moves on whenever nothing else does."""
    task = asyncio.ensure_future(work)
    await clock.settle()
    while not task.done():
        await clock.advance(0.5)
    await task


@pytest.mark.asyncio
async def test_leaving_tells_what_is_left_and_no_longer_than_ten_seconds_for_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that hangs takes all of the time; those that were done meanwhile have lost nothing."""
    clock = ManualClock()
    consumers = [Slow(clock, 1), Slow(clock, 2), Slow(clock, 100)]
    assert await left_after(clock, consumers, 4) == 10
    assert [len(consumer.taken) for consumer in consumers] == [4, 4, 0]
    assert caplog.messages == ["slow: not done in time; what was left is lost"]


@pytest.mark.asyncio
async def test_after_a_signal_it_takes_two_seconds() -> None:
    clock = ManualClock()
    consumers = [Slow(clock, 100), Slow(clock, 1)]
    assert await left_after(clock, consumers, 1, drains=True) == 2
    assert [len(consumer.taken) for consumer in consumers] == [0, 1]


@pytest.mark.asyncio
async def test_a_signal_amid_the_last_news_leaves_them_two_seconds() -> None:
    clock = ManualClock()
    monitoring = Monitoring(clock)
    slow = Slow(clock, 5)

    async def use() -> None:
        async with AsyncExitStack() as stack:
            typed: Consumer[Event] = slow
            await monitoring.add(stack, typed, "slow", 0)
            for hook in monitoring.hooks:
                hook(finished(report_of()))
            monitoring.leave()

    using = asyncio.create_task(use())
    await clock.settle()
    await clock.advance(1)
    monitoring.drain()
    await moved(clock, using)
    assert clock.monotonic() == 3
    assert slow.taken == []


@pytest.mark.asyncio
async def test_a_run_is_over_though_nobody_takes_its_news(tmp_path: Path) -> None:
    clock = ManualClock()
    slow = Slow(clock, 100)
    config = config_of(folder=tmp_path)
    async with AsyncExitStack() as stack:
        monitoring = Monitoring(clock)
        typed: Consumer[Event] = slow
        await monitoring.add(stack, typed, "slow", 0)
        source = ScriptedSource([[page(1, {"id": 1})]])
        store = MemoryStore(clock)
        async with opened(
            config, source, store=store, clock=clock, hooks=monitoring.hooks
        ) as engine:
            report = await engine.run(NAME, run_date=DAY)
        assert report.status == "committed"
        assert slow.taken == []
        assert clock.monotonic() == 0
        await moved(clock, stack.aclose())
    assert clock.monotonic() == 10


@pytest.mark.asyncio
async def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name="opentelemetry.sdk")

    monkeypatch.setattr("bronze_engine.adapters.extras.import_module", missing)
    (tmp_path / "pipelines.toml").write_text("[telemetry]\notel = true\n")
    config = load_config(tmp_path / "pipelines.toml", environ={})
    with pytest.raises(ConfigError, match=r'pip install "bronze-engine\[otel\]"'):
        async with open_monitoring(config):
            raise AssertionError("it must not open")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b, api-key: canary", "entry 2 is not name=value"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "canary", "entry 1 is not name=value"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be"),
    ],
)
@pytest.mark.asyncio
async def test_a_variable_that_is_wrong_is_an_error_of_the_configuration(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str,
    says: str,
) -> None:
    monkeypatch.setenv(name, value)
    (tmp_path / "pipelines.toml").write_text("[telemetry]\notel = true\n")
    config = load_config(tmp_path / "pipelines.toml", environ={})
    with pytest.raises(ConfigError, match=says) as raised:
        async with open_monitoring(config):
            raise AssertionError("it must not open")
    assert "canary" not in str(raised.value) + caplog.text


@pytest.mark.asyncio
async def test_without_either_table_nothing_is_opened(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text("")
    async with open_monitoring(load_config(tmp_path / "pipelines.toml", environ={})) as monitoring:
        assert monitoring.hooks == ()
        assert len(asyncio.all_tasks()) == 1


class Collector:
    """Stands in for the exporters: takes, or does not."""

    interval_seconds = 60.0
    delay_seconds = 5.0

    def __init__(self, *answers: bool) -> None:
        self.calls: list[str] = []
        self._answers = list(answers)

    def export(self, spans: Any, /) -> bool:
        self.calls.append(f"{len(spans)} spans")
        return self._answers.pop(0)

    def collect(self) -> bool:
        self.calls.append("metrics")
        return self._answers.pop(0)

    def cut(self) -> None:
        self.calls.append("cut")


@pytest.mark.asyncio
async def test_metrics_are_due_once_an_interval_and_not_where_spans_were_not_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    events: list[Event] = []
    collector = Collector(True, True, False, False, True, True, False)
    with Workers(1) as workers, caplog.at_level(logging.WARNING):
        otlp = Otlp(collector, events.append, clock, workers)
        event = finished(report_of())
        assert otlp.pick(event) is None
        await clock.advance(60)
        assert otlp.pick(event) is METRICS
        assert otlp.pick(event) is None
        assert events == [event] * 3
        await otlp.take(["span", METRICS, "span"])
        await otlp.take(["span", METRICS])
        await otlp.take(["span"])
        assert len(caplog.messages) == 1
        await otlp.take(["span", METRICS])
        await otlp.take([METRICS])
    assert collector.calls == [
        "2 spans",
        "metrics",
        "1 spans",
        "1 spans",
        "1 spans",
        "metrics",
        "metrics",
    ]
    assert len(caplog.messages) == 2


@pytest.mark.asyncio
async def test_opentelemetry_starts_no_thread_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    (tmp_path / "pipelines.toml").write_text("[telemetry]\notel = true\n")
    config = load_config(tmp_path / "pipelines.toml", environ={})
    loggers = [
        logging.getLogger(f"opentelemetry.exporter.otlp.proto.http.{name}_exporter")
        for name in ("trace", "metric")
    ]
    before = set(threading.enumerate())
    filters = [list(logger.filters) for logger in loggers]
    async with open_monitoring(config) as monitoring:
        assert len(monitoring.hooks) == 1
        started = set(threading.enumerate()) - before
        assert {thread.name.partition("_")[0] for thread in started} <= {"bronze-worker"}
        for hook in monitoring.hooks:
            hook(finished(report_of()))
    assert set(threading.enumerate()) <= before
    assert [list(logger.filters) for logger in loggers] == filters
    assert len(asyncio.all_tasks()) == 1
