"""What Prometheus is told of runs, by pipeline; of those that make curated tables by themselves.

Gauges tell of the last run and of the last commit, counters of all runs since the file began.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.prometheus.exposition import Family, Labels

__all__ = ["FAMILIES", "Ended", "in_order", "record"]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has ended, and when."""

    report: RunReport
    at: datetime


FAMILIES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "bronze_last_run_timestamp_seconds": ("gauge", "When the last run ended."),
        "bronze_last_run_info": (
            "gauge",
            "How the last run ended: its status, the code of its error, its run date. Always 1.",
        ),
        "bronze_last_run_success": ("gauge", "Whether the last run committed: 1 or 0."),
        "bronze_last_run_duration_seconds": ("gauge", "How long the last run took."),
        "bronze_last_run_cpu_seconds": (
            "gauge",
            "CPU time that its process used during the last run.",
        ),
        "bronze_last_run_rows": ("gauge", "Rows that the last run landed."),
        "bronze_last_run_rejected_rows": ("gauge", "Records that the last run rejected."),
        "bronze_last_run_received_bytes": (
            "gauge",
            "Bytes of response bodies that the last run received, as they came over the wire.",
        ),
        "bronze_last_run_written_bytes": ("gauge", "Bytes of data files that the last run wrote."),
        "bronze_last_run_requests": ("gauge", "Requests that the last run sent to its source."),
        "bronze_last_run_retries": ("gauge", "How many of them were sent again."),
        "bronze_last_run_degraded": (
            "gauge",
            "What went wrong after the commit of the last run; the next run or gc mends it.",
        ),
        "bronze_last_commit_timestamp_seconds": (
            "gauge",
            "When the pipeline last committed a partition.",
        ),
        "bronze_last_commit_run_date_timestamp_seconds": (
            "gauge",
            "The run date of that partition, at 00:00 UTC.",
        ),
        "bronze_last_commit_generation": ("gauge", "The generation of that partition."),
        "bronze_last_commit_rows": ("gauge", "The rows of that partition."),
        "bronze_runs_total": ("counter", "Runs that have ended, by status and code."),
        "bronze_rows_total": ("counter", "Rows that were committed."),
        "bronze_rejected_rows_total": ("counter", "Records that were rejected."),
        "bronze_received_bytes_total": (
            "counter",
            "Bytes of response bodies, as they came over the wire.",
        ),
        "bronze_written_bytes_total": ("counter", "Bytes of data files."),
        "bronze_pages_total": ("counter", "Pages that were read."),
        "bronze_requests_total": ("counter", "Requests to sources."),
        "bronze_retries_total": ("counter", "Requests to sources that were sent again."),
    }
)
"""Each metric with its kind and what it means."""


def record(families: dict[str, Family], runs: Iterable[Ended]) -> None:
    """Put runs, in order, into what is known: gauges of their pipelines are replaced, counters
    grow."""
    gauges: dict[str, dict[Labels, tuple[Labels, float]]] = {}
    for ended in runs:
        of = _owner(ended.report)
        for name, labels, value in _gauges(ended):
            gauges.setdefault(name, {})[of] = ((*of, *labels), value)
        for name, labels, value in _counts(ended.report):
            samples = _family(families, name).samples
            key = (*of, *labels)
            samples[key] = samples.get(key, 0.0) + value
    for name, told in gauges.items():
        family = _family(families, name)
        family.drop(("pipeline", "layer"), told.keys())
        family.samples.update(told.values())


def _owner(report: RunReport) -> Labels:
    """Runs that land have no layer: they had none before there was another."""
    pipeline = ("pipeline", report.pipeline)
    return (pipeline,) if report.layer == "bronze" else (pipeline, ("layer", report.layer))


def in_order(families: Mapping[str, Family]) -> Iterator[Family]:
    """The metrics as they stand above; others, of another version, behind them."""
    for name in (*FAMILIES, *sorted(families.keys() - FAMILIES.keys())):
        if name in families:
            yield families[name]


def _family(families: dict[str, Family], name: str) -> Family:
    kind, text = FAMILIES[name]
    found = families.get(name)
    if found is None:
        found = families[name] = Family(name, "counter" if kind == "counter" else "gauge", text)
    found.text = text
    return found


def _gauges(ended: Ended) -> Iterator[tuple[str, Labels, float]]:
    report, at = ended.report, ended.at.timestamp()
    is_committed = report.status == "committed"
    yield "bronze_last_run_timestamp_seconds", (), at
    status = (("status", report.status), ("code", report.error_code or ""))
    yield "bronze_last_run_info", (*status, ("run_date", str(report.run_date))), 1.0
    yield "bronze_last_run_success", (), float(is_committed)
    yield "bronze_last_run_duration_seconds", (), report.seconds
    yield "bronze_last_run_cpu_seconds", (), report.cpu_seconds
    yield "bronze_last_run_rows", (), float(report.rows)
    yield "bronze_last_run_rejected_rows", (), float(report.rejected)
    yield "bronze_last_run_received_bytes", (), float(report.bytes_in)
    yield "bronze_last_run_written_bytes", (), float(report.bytes_out)
    yield "bronze_last_run_requests", (), float(report.requests)
    yield "bronze_last_run_retries", (), float(report.retries)
    yield "bronze_last_run_degraded", (), float(len(report.degraded))
    if not is_committed:
        return
    yield "bronze_last_commit_timestamp_seconds", (), at
    day = float(calendar.timegm(report.run_date.timetuple()))
    yield "bronze_last_commit_run_date_timestamp_seconds", (), day
    yield "bronze_last_commit_generation", (), float(report.generation or 0)
    yield "bronze_last_commit_rows", (), float(report.rows)


def _counts(report: RunReport) -> Iterator[tuple[str, Labels, float]]:
    status = (("status", report.status), ("code", report.error_code or ""))
    yield "bronze_runs_total", status, 1.0
    yield "bronze_rows_total", (), float(report.rows if report.status == "committed" else 0)
    yield "bronze_rejected_rows_total", (), float(report.rejected)
    yield "bronze_received_bytes_total", (), float(report.bytes_in)
    yield "bronze_written_bytes_total", (), float(report.bytes_out)
    yield "bronze_pages_total", (), float(report.pages)
    yield "bronze_requests_total", (), float(report.requests)
    yield "bronze_retries_total", (), float(report.retries)
