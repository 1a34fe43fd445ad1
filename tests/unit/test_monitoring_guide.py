"""docs/monitoring.md: its examples load and run, its tables are those of the code."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from opentelemetry import metrics, trace

from bronze_engine.config.notify import CommandNotify, WebhookNotify
from bronze_engine.config.notify_body import PLACEHOLDERS
from bronze_engine.config.telemetry import TelemetryConfig
from bronze_engine.notify.command import PASSED_ON
from bronze_engine.notify.message import Message, message_of_runs
from bronze_engine.telemetry import events
from bronze_engine.telemetry.lines import MetricLines
from bronze_engine.telemetry.otel import OpenTelemetryHook
from bronze_engine.telemetry.prometheus.runs import FAMILIES
from bronze_engine.testing.clock import ManualClock
from tests.documents import ROOT, Document
from tests.unit.run.harness import load_text
from tests.unit.telemetry.reports import failed, finished, report_of

pytestmark = pytest.mark.unit

GUIDE: Final = Document("docs/monitoring.md")
DAY: Final = date(2025, 1, 15)
SHOP: Final = """
[engine]
target = "./lake"
log_dir = ""
[pipelines.shop.orders.source]
type = "files"
url = "orders.ndjson"
format = "ndjson"
"""
VARIABLES: Final = {
    "ONCALL_URL": "https://hooks.example/services/key",
    "PAGERDUTY_KEY": "pagerduty-key",
    "LEDGER_TOKEN": "ledger-token",
}


def rows_of(section: str) -> list[list[str]]:
    """The cells of a section's tables, without their heads."""
    lines = [line for line in GUIDE.section(section).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_event_stands_in_the_table_with_its_fields() -> None:
    shown = {row[0].strip("`"): re.findall(r"`(\w+)`", row[-1]) for row in rows_of("Events")[1:]}
    named = {name for name in events.__all__ if name != "Event"}
    assert set(shown) == named
    for name in named:
        assert shown[name] == list(getattr(events, name).__struct_fields__)


def test_every_metric_of_prometheus_stands_in_the_table() -> None:
    shown = {row[0].strip("`"): (row[1], row[2]) for row in rows_of("Prometheus")[1:]}
    assert shown == dict(FAMILIES)


class Named:
    """A meter that only keeps the names of what is made of it."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, _name: str) -> Any:
        def create(name: str, *_arguments: Any, **_options: Any) -> None:
            self.names.add(name)

        return create


class Meters(metrics.NoOpMeterProvider):
    """Gives one meter to all."""

    def __init__(self) -> None:
        self.meter = Named()

    def get_meter(self, *_arguments: Any, **_options: Any) -> Any:
        return self.meter


def test_every_metric_of_opentelemetry_stands_in_the_table() -> None:
    meters = Meters()
    OpenTelemetryHook(tracer_provider=trace.NoOpTracerProvider(), meter_provider=meters)
    table = [row[0] for row in rows_of("OpenTelemetry") if row[0].startswith("`bronze.")]
    shown = [name for cell in table for name in re.findall(r"`([a-z_.]+)`", cell)]
    assert sorted(shown) == sorted(meters.meter.names)


def test_what_it_configures_is_right(tmp_path: Path) -> None:
    orders = '[pipelines.shop.orders.source]\ntype = "files"\nurl = "x.csv"\nformat = "csv"\n'
    blocks = GUIDE.blocks("toml")
    assert len(blocks) == 5
    for at, block in enumerate(blocks):
        folder = tmp_path / str(at)
        folder.mkdir()
        (folder / ".env").write_text("".join(f"{k}={v}\n" for k, v in VARIABLES.items()))
        config = load_text(orders + block, folder=folder)
        assert config.notices() or config.telemetry != TelemetryConfig()


def test_its_defaults_are_those_of_the_code() -> None:
    told = GUIDE.section("Notifications")
    defaults = {
        field.name: field.default
        for kind in (WebhookNotify, CommandNotify)
        for field in msgspec.structs.fields(kind)
    }
    hook = {field.name: field.default for field in msgspec.structs.fields(WebhookNotify)}
    assert f"`interval` ({defaults['interval']:g} s)" in told
    assert f"`timeout` ({hook['timeout']:g} s) and `attempts` ({hook['attempts']})" in told
    for name in PASSED_ON:
        assert f"`{name}`" in GUIDE.section("Commands")
    for name in PLACEHOLDERS:
        assert f"`{{{name}}}`" in GUIDE.section("Webhooks")
    assert TelemetryConfig().trace_requests == 0.1


def test_the_message_that_it_shows_has_the_fields_of_one() -> None:
    (shown,) = (json.loads(block) for block in GUIDE.blocks("json", "Webhooks"))
    message = msgspec.to_builtins(message_of_runs([failed("shop.orders")]))
    assert list(shown) == list(Message.__struct_fields__) == list(message)
    assert list(shown["runs"][0]) == list(message["runs"][0])


def formats(caplog: pytest.LogCaptureFixture) -> set[tuple[str, ...]]:
    """The keys of each `metric=` line that is written anywhere, its own name first."""
    with caplog.at_level(logging.INFO):
        MetricLines(ManualClock())(finished(report_of()))
    texts = (path.read_text() for path in (ROOT / "src/bronze_engine").rglob("*.py"))
    nodes = (node for text in texts if "metric=" in text for node in ast.walk(ast.parse(text)))
    values = [str(node.value) for node in nodes if isinstance(node, ast.Constant)]
    values += caplog.messages  # of a run, which has some only where there is something to say
    found = [(re.match(r"metric=(\w+) \w+=", value), value) for value in values]
    return {(match[1], *re.findall(r" (\w+)=", value)) for match, value in found if match}


def test_its_lines_of_the_log_are_those_that_the_code_writes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = re.findall(r"^    metric=(\w+)(.+)$", GUIDE.section("Lines of the log"), re.MULTILINE)
    assert {(name, *re.findall(r" (\w+)=", rest)) for name, rest in lines} == formats(caplog)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "pipelines.toml").write_text(SHOP)
    (tmp_path / "orders.ndjson").write_text('{"id": 1}\n')
    monkeypatch.chdir(tmp_path)
    yield
    assert (tmp_path / "lake/shop/orders/dt=2025-01-15/_metadata.json").exists()


@pytest.mark.asyncio
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.usefixtures("shop")
async def test_its_python_runs(at: int) -> None:
    names: dict[str, Any] = {"__name__": f"guide{at}"}
    code = compile(GUIDE.blocks("python")[at], "docs/monitoring.md", "exec", dont_inherit=True)
    exec(code, names)  # noqa: S102  # our own example
    await names["land"](DAY)
    if "kept" in names:
        assert any(isinstance(event, events.RunFinished) for event in names["kept"])


def test_its_links_lead_somewhere() -> None:
    for link in GUIDE.links():
        name, _, anchor = link.partition("#")
        assert not name or (ROOT / "docs" / name).exists()
        if anchor:
            assert anchor in (Document(f"docs/{name}") if name else GUIDE).anchors()
