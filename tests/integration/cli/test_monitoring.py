"""What [telemetry] and [notify] make of commands: told for real, and no secret in it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cli.command import (
    DATE,
    PIPELINE,
    Bronze,
    in_background,
    paged,
    shop,
    start,
    url_of,
)
from tests.integration.http_server import Handler, Seen, Server, answer
from tests.integration.otlp_collector import Collector, values_of
from tests.unit.telemetry.strict_exposition import read

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
ROWS = [{"id": 1}, {"id": 2}]


def hook(url: str, on: str, more: str = "") -> str:
    return (
        '[notify.ops]\ntype = "webhook"\nproxy = "none"\n'
        f'url = "{url}/services/canary-path"\non = {on}\n{more}\n'
        '[notify.ops.headers]\nAuthorization = "Bearer canary-header"\n'
    )


def taking(statuses: list[int]) -> Handler:
    """Answers with each in turn, and the last for ever."""

    async def handle(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        return answer({}, status=statuses.pop(0) if len(statuses) > 1 else statuses[0])

    return handle


@pytest.fixture
def inbox() -> Iterator[Server]:
    """A webhook's server that takes everything."""
    with in_background(taking([200])) as server:
        yield server


def test_a_failure_reaches_a_webhook_that_fails_twice_without_a_secret(bronze: Bronze) -> None:
    statuses = [503, 500, 200]
    with (
        in_background(taking(statuses)) as told,
        in_background(taking([401])) as api,
    ):
        auth = '[apis.shop.auth]\ntype = "bearer"\ntoken = "canary-token"\n'
        shop(bronze.folder, auth + hook(told.url, '["failure"]'))
        ran = bronze(*RUN, *url_of(f"{api.url}?api_key=canary-query"))
    assert ran.status == 3
    assert len(told.seen) == 3
    message = json.loads(told.seen[-1].body)
    assert message["summary"].startswith(f"{PIPELINE} {DATE} failed: AUTH001 ")
    assert message["report"]["error_code"] == "AUTH001"
    assert told.seen[-1].headers["authorization"] == "Bearer canary-header"
    assert b"canary" not in told.seen[-1].body
    assert "canary" not in ran.out + ran.err + bronze.log()


def test_a_success_is_told_where_asked_and_a_dead_webhook_fails_no_run(
    bronze: Bronze, inbox: Server
) -> None:
    with in_background(paged(ROWS)) as api:
        shop(bronze.folder, hook(inbox.url, '["success"]'))
        bronze.well(*RUN, *url_of(api))
        assert json.loads(inbox.seen[0].body)["report"]["rows"] == 2
        shop(bronze.folder, hook("http://127.0.0.1:9", '["success"]', "attempts = 1"))
        ran = bronze.well(*RUN, *url_of(api))
    assert "WARNING notify.ops did not take the news of team.orders" in ran.err
    assert "http://127.0.0.1:9" in ran.err
    assert "canary" not in ran.err


def test_a_hanging_webhook_is_told_after_the_commit_and_left_within_its_timeout(
    bronze: Bronze,
) -> None:
    committed: list[bool] = []

    async def hang(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes | None:
        committed.append((bronze.folder / f"lake/team/orders/dt={DATE}/_metadata.json").exists())
        await asyncio.Event().wait()
        return None

    with in_background(paged(ROWS)) as api, in_background(hang) as told:
        shop(bronze.folder, hook(told.url, '["success"]', 'timeout = "200ms"\nattempts = 1'))
        began = time.monotonic()
        ran = bronze.well(*RUN, *url_of(api))
    assert committed == [True]
    assert time.monotonic() - began < 25  # it hangs for ever
    assert "no whole answer within 0.2 s" in ran.err


def test_a_batch_is_one_message_and_a_dry_run_none(bronze: Bronze, inbox: Server) -> None:
    with in_background(paged(ROWS)) as api:
        day = '[pipelines.team.orders.source.params]\nday = "{run_date}"\n'
        shop(bronze.folder, day + hook(inbox.url, '["success", "batch"]'))
        dates = ("--from", "2025-01-13", "--to", "2025-01-15")
        bronze.well("run", PIPELINE, "--date", DATE, "--dry-run", *url_of(api))
        bronze.well("batch", PIPELINE, *dates, *url_of(api))
    (seen,) = inbox.seen
    message = json.loads(seen.body)
    assert message["event"] == "batch"
    assert message["counts"] == {"committed": 3}


def test_commands_of_a_cron_share_one_prometheus_file(bronze: Bronze) -> None:
    shop(bronze.folder, '[telemetry]\nprometheus_file = "bronze.prom"\n')
    with in_background(paged(ROWS)) as api:
        bronze.well(*RUN, *url_of(api))
    again = bronze(*RUN, "--set", "apis.shop.retry.attempts=1")
    assert again.status == 9
    told = read((bronze.folder / "bronze.prom").read_text())
    key = frozenset({("pipeline", PIPELINE)})
    assert told["bronze_last_commit_rows", key] == 2
    assert told["bronze_last_run_success", key] == 0
    assert told["bronze_rows_total", key] == 2
    codes = {dict(labels)["code"] for name, labels in told if name == "bronze_runs_total"}
    assert codes == {"", "RETRY001"}


OTEL = '[telemetry]\notel = true\ntrace_requests = 1.0\nservice_name = "lake"\n'


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """What a collector was sent."""
    sent = Collector()
    with in_background(sent) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=canary-tenant")
        yield sent


def test_a_collector_gets_traces_and_metrics_of_a_run(bronze: Bronze, collector: Collector) -> None:
    with in_background(paged(ROWS)) as api:
        shop(bronze.folder, OTEL)
        ran = bronze.well(*RUN, *url_of(api))
    assert all("traceparent" not in seen.headers for seen in api.seen)
    assert collector.headers[0]["x-tenant"] == "canary-tenant"
    assert "canary" not in ran.err
    assert collector.resource["service.name"] == "lake"
    (run,) = collector.named(f"run {PIPELINE}")
    attributes = values_of(run.attributes)
    assert attributes["bronze.rows"] == 2
    assert attributes["bronze.run.date"] == DATE
    assert run.status.code == 0
    requests = collector.named("GET shop")
    assert len(requests) == len(api.seen)
    assert {values_of(span.attributes)["server.address"] for span in requests} == {"127.0.0.1"}
    phases = {"preparing", "reading", "publishing"}
    below = [span for span in collector.spans if span.parent_span_id == run.span_id]
    assert phases <= {span.name for span in below}
    assert {span.trace_id for span in collector.spans} == {run.trace_id}
    (rows,) = collector.metrics["bronze.rows"].sum.data_points
    assert rows.as_int == 2
    (running,) = collector.metrics["bronze.runs.running"].sum.data_points
    assert running.as_int == 0
    (duration,) = collector.metrics["bronze.run.duration"].histogram.data_points
    assert duration.count == 1
    assert "bronze.breaker.state" in collector.metrics
    assert "bronze.last_commit.timestamp" in collector.metrics


def test_the_runs_of_a_batch_are_one_trace(bronze: Bronze, collector: Collector) -> None:
    day = '[pipelines.team.orders.source.params]\nday = "{run_date}"\n'
    with in_background(paged(ROWS)) as api:
        shop(bronze.folder, OTEL + day)
        bronze.well("batch", PIPELINE, "--from", "2025-01-14", "--to", DATE, *url_of(api))
    (batch,) = collector.named("batch")
    runs = collector.named(f"run {PIPELINE}")
    dates = {values_of(run.attributes)["bronze.run.date"]: run for run in runs}
    assert set(dates) == {"2025-01-14", DATE}
    assert {run.parent_span_id for run in runs} == {batch.span_id}
    requests = collector.named("GET shop")
    assert len(requests) == len(api.seen)
    for day, run in dates.items():  # side by side, and each with its own
        of_day = [seen for seen in api.seen if seen.query["day"] == day]
        below = [span for span in requests if span.parent_span_id == run.span_id]
        assert len(below) == len(of_day) > 0


def test_a_collector_gets_the_status_of_each_request_and_how_often_it_was_sent(
    bronze: Bronze, collector: Collector
) -> None:
    statuses = [503, 200, 200]

    async def flaky(seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        status = statuses.pop(0)
        return answer(ROWS if seen.query["page"] == "1" else [], status=status)

    with in_background(flaky) as api:
        shop(bronze.folder, OTEL)
        bronze.well(*RUN, *url_of(api))
    found = [values_of(span.attributes) for span in collector.named("GET shop")]
    told = ("http.response.status_code", "http.request.resend_count", "error.type")
    assert [tuple(each.get(name) for name in told) for each in found] == [
        (503, None, "503"),
        (200, 1, None),
        (200, None, None),
    ]


def test_what_a_collector_gets_of_a_failure_holds_no_secret(
    bronze: Bronze, collector: Collector
) -> None:
    async def refuse(seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        # A server that says what it was sent.
        return answer({"message": f"bad key {seen.headers['authorization']}"}, status=401)

    with in_background(refuse) as api:
        auth = '[apis.shop.auth]\ntype = "bearer"\ntoken = "canary-token"\n'
        shop(bronze.folder, OTEL + auth)
        ran = bronze(*RUN, *url_of(f"{api.url}?access_token=canary-query"))
    assert ran.status == 3
    (run,) = collector.named(f"run {PIPELINE}")
    assert run.status.code == 2
    assert run.status.message.startswith("AUTH001 ")
    assert "***" in run.status.message
    assert values_of(run.attributes)["error.type"] == "AUTH001"
    assert b"canary" not in collector.raw
    (asked,) = collector.named("GET shop")
    assert values_of(asked.attributes)["error.type"] == "401"
    assert "access_token=***" in values_of(asked.attributes)["url.full"]


def test_a_collector_that_is_down_costs_a_run_nothing_but_a_warning(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with in_background(paged(ROWS)) as api:
        shop(bronze.folder, OTEL)
        ran = bronze.well(*RUN, *url_of(api))
    told = [line for line in ran.err.splitlines() if "collector" in line or "export" in line]
    assert len(told) == 1
    assert " WARNING telemetry.otel: the collector did not take our traces" in told[0]
    assert not ran.errors


def test_a_collector_that_hangs_is_left_after_its_timeout(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_seen: Seen, _writer: asyncio.StreamWriter) -> bytes | None:
        await asyncio.Event().wait()
        return None

    with in_background(paged(ROWS)) as api, in_background(hang) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silent.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
        shop(bronze.folder, OTEL)
        began = time.monotonic()
        ran = bronze.well(*RUN, *url_of(api))
    assert time.monotonic() - began < 25  # it hangs for ever
    assert "the collector did not take our traces" in ran.err
    assert not ran.errors


async def silent(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X")
        await asyncio.sleep(0.1)  # noqa: TID251  # the server's own pace


@pytest.mark.slow
@pytest.mark.parametrize("behave", [silent, dripping])
def test_a_collector_holds_no_process_for_more_than_ten_seconds(
    bronze: Bronze,
    monkeypatch: pytest.MonkeyPatch,
    behave: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async def handle(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        await behave(writer)

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "10000")  # to the SDK these are seconds
    with in_background(paged(ROWS)) as api, in_background(handle) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        shop(bronze.folder, OTEL)
        ran = bronze.well(*RUN, *url_of(api))
    assert "telemetry.otel: not done in time; what was left is lost" in ran.err
    assert not ran.errors
    assert "urllib3" not in ran.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 'telemetry.otel speaks "http/protobuf"'),
        ("OTEL_TRACES_EXPORTER", "jaeger", 'telemetry.otel sends "otlp", or "none"'),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon", "it is a number of milliseconds"),
    ],
)
def test_a_variable_that_asks_for_what_we_have_not_is_said_before_anything_is_sent(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    shop(bronze.folder, OTEL)
    ran = bronze(*RUN)
    assert ran.status == 2
    assert says in ran.err
    assert not (bronze.folder / "lake").exists()


def test_a_signal_may_be_off_and_a_service_named_by_its_variable(
    bronze: Bronze, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    with in_background(paged(ROWS)) as api:
        shop(bronze.folder, OTEL)
        bronze.well(*RUN, *url_of(api))
    assert collector.resource["service.name"] == "theirs"
    assert collector.spans
    assert not collector.metrics


def test_only_what_runs_pipelines_needs_the_variables_of_notifications(
    bronze: Bronze,
) -> None:
    shop(bronze.folder, '[notify.ops]\ntype = "webhook"\nurl = "${NO_SUCH_HOOK}"\n')
    bronze.well("list")
    ran = bronze(*RUN)
    assert ran.status == 2
    assert "NO_SUCH_HOOK" in ran.err
    assert not Path(bronze.folder / "lake").exists()


def test_a_signal_is_told_and_a_webhook_that_hangs_does_not_hold_the_process(
    bronze: Bronze,
) -> None:
    """The first is told within the two seconds that are left, the second is not waited for."""
    asked: list[Seen] = []

    async def hang(seen: Seen, _writer: asyncio.StreamWriter) -> bytes | None:
        asked.append(seen)
        await asyncio.Event().wait()
        return None

    with in_background(hang) as silent, in_background(taking([200])) as told:
        second = hook(silent.url, '["failure"]').replace("notify.ops", "notify.silent")
        shop(bronze.folder, hook(told.url, '["failure"]') + second)
        process = start(["-m", "bronze_engine", *RUN, *url_of(silent)], bronze.folder)
        until(lambda: bool(asked))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 143, err
        assert time.monotonic() - began < 5.5
    message = json.loads(told.seen[0].body)
    assert message["runs"][0]["status"] == "cancelled"
    assert "notify.silent: not done in time" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_run_hurries_what_is_told_and_the_result_stands(
    bronze: Bronze, number: signal.Signals
) -> None:
    asked: list[Seen] = []

    async def hang(seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        asked.append(seen)
        if len(asked) > 1:
            await asyncio.Event().wait()
        return answer({}, status=500)

    with in_background(hang) as silent, in_background(paged(ROWS)) as api:
        shop(bronze.folder, hook(silent.url, '["success"]'))
        process = start(["-m", "bronze_engine", *RUN, "--json", *url_of(api)], bronze.folder)
        until(lambda: len(asked) == 2)  # half a second later
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert time.monotonic() - began < 4
    assert json.loads(out)["status"] == "committed"
    assert f"{number.name}: stopping; what was committed stays as it is" in err
    assert "notify.ops: not done in time" in err


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # noqa: TID251  # another process's doing
