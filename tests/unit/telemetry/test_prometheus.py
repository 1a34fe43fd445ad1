"""The Prometheus text: in the format, by the naming rules, and read again as it was written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.telemetry.prometheus.exposition import Family, Malformed, parse, render
from bronze_engine.telemetry.prometheus.runs import FAMILIES, Ended, in_order, record
from tests.unit.telemetry.reports import DAY, failed, report_of
from tests.unit.telemetry.strict_exposition import read

pytestmark = pytest.mark.unit

AT = datetime(2025, 1, 15, 1, 0, tzinfo=UTC)


def ours(pipeline: str, **labels: str) -> frozenset[tuple[str, str]]:
    return frozenset({"pipeline": pipeline, **labels}.items())


def test_a_committed_run_is_told_by_gauges_and_counters() -> None:
    families: dict[str, Family] = {}
    record(families, [Ended(report=report_of(rejected=2), at=AT)])
    told = read(render(in_order(families)))
    key = ours("team.orders")
    assert told["bronze_last_commit_timestamp_seconds", key] == AT.timestamp()
    assert told["bronze_last_run_timestamp_seconds", key] == AT.timestamp()
    midnight = datetime(2025, 1, 15, tzinfo=UTC).timestamp()
    assert told["bronze_last_commit_run_date_timestamp_seconds", key] == midnight
    assert told["bronze_last_run_success", key] == 1
    assert told["bronze_last_run_duration_seconds", key] == 2.0
    assert told["bronze_last_run_rows", key] == 10
    assert told["bronze_last_run_received_bytes", key] == 1000
    assert told["bronze_last_run_written_bytes", key] == 400
    info = ours("team.orders", status="committed", code="", run_date=str(DAY))
    assert told["bronze_last_run_info", info] == 1
    assert told["bronze_runs_total", ours("team.orders", status="committed", code="")] == 1
    assert told["bronze_rejected_rows_total", key] == 2
    assert list(dict.fromkeys(name for name, _ in told)) == list(FAMILIES)


def test_a_failure_keeps_the_last_commit_and_replaces_the_last_run() -> None:
    families: dict[str, Family] = {}
    record(families, [Ended(report=report_of(), at=AT)])
    later = AT.replace(hour=2)
    record(families, [Ended(report=failed(code="RETRY001"), at=later)])
    told = read(render(in_order(families)))
    key = ours("team.orders")
    assert told["bronze_last_commit_timestamp_seconds", key] == AT.timestamp()
    assert told["bronze_last_run_timestamp_seconds", key] == later.timestamp()
    assert told["bronze_last_run_success", key] == 0
    infos = [dict(labels) for name, labels in told if name == "bronze_last_run_info"]
    assert [(each["status"], each["code"]) for each in infos] == [("failed", "RETRY001")]
    assert told["bronze_rows_total", key] == 10
    assert told["bronze_requests_total", key] == 6
    assert told["bronze_runs_total", ours("team.orders", status="failed", code="RETRY001")] == 1


def test_another_pipelines_series_stay_and_counters_go_on_after_reading_again() -> None:
    families: dict[str, Family] = {}
    record(families, [Ended(report=report_of("team.a"), at=AT)])
    record(families, [Ended(report=report_of("team.b"), at=AT)])
    families = parse(render(in_order(families)))
    record(families, [Ended(report=report_of("team.a", rows=5), at=AT)])
    told = read(render(in_order(families)))
    assert told["bronze_rows_total", ours("team.a")] == 15
    assert told["bronze_rows_total", ours("team.b")] == 10
    assert told["bronze_last_run_rows", ours("team.a")] == 5
    assert told["bronze_last_run_rows", ours("team.b")] == 10


def test_runs_that_make_a_curated_table_have_series_of_their_own() -> None:
    families: dict[str, Family] = {}
    table = report_of("team.a", layer="silver", rows=700)
    record(families, [Ended(report=report_of("team.a"), at=AT), Ended(report=table, at=AT)])
    families = parse(render(in_order(families)))
    record(families, [Ended(report=failed("team.a", layer="silver"), at=AT.replace(hour=2))])
    told = read(render(in_order(families)))
    assert told["bronze_last_run_rows", ours("team.a")] == 10
    assert told["bronze_last_run_success", ours("team.a")] == 1
    assert told["bronze_last_run_success", ours("team.a", layer="silver")] == 0
    assert told["bronze_last_commit_rows", ours("team.a", layer="silver")] == 700
    assert told["bronze_rows_total", ours("team.a")] == 10
    infos = [dict(labels) for name, labels in told if name == "bronze_last_run_info"]
    assert [(each.get("layer"), each["status"]) for each in infos] == [
        (None, "committed"),
        ("silver", "failed"),
    ]


def test_of_several_runs_of_one_pipeline_the_last_is_told_and_all_are_counted() -> None:
    families: dict[str, Family] = {}
    others = [Ended(report=report_of(f"team.p{number}"), at=AT) for number in range(3)]
    again = Ended(report=failed(code="EXT001"), at=AT.replace(hour=2))
    record(families, [Ended(report=report_of(), at=AT), *others, again])
    told = read(render(in_order(families)))
    infos = {dict(labels)["pipeline"] for name, labels in told if name == "bronze_last_run_info"}
    assert infos == {"team.orders", "team.p0", "team.p1", "team.p2"}
    info = ours("team.orders", status="failed", code="EXT001", run_date=str(DAY))
    assert told["bronze_last_run_info", info] == 1
    assert told["bronze_last_commit_timestamp_seconds", ours("team.orders")] == AT.timestamp()
    assert told["bronze_runs_total", ours("team.orders", status="committed", code="")] == 1
    assert told["bronze_runs_total", ours("team.orders", status="failed", code="EXT001")] == 1


def test_many_runs_take_one_look_at_what_is_known() -> None:
    """A batch ends thousands of runs in a few seconds; each looking at all series is a square."""

    class Counted(dict[tuple[tuple[str, str], ...], float]):
        looks = 0

        def __iter__(self) -> Iterator[tuple[tuple[str, str], ...]]:
            Counted.looks += 1
            return super().__iter__()

    family = Family("bronze_last_run_info", "gauge", "")
    family.samples = Counted()
    runs = [Ended(report=report_of(f"team.p{number}"), at=AT) for number in range(100)]
    record({family.name: family}, runs)
    assert Counted.looks == 1
    assert len(family.samples) == 100


def test_what_must_be_escaped_is() -> None:
    family = Family("a_total", "counter", 'a "help"\nwith \\ in it')
    family.samples[(("x", 'quote " slash \\ line\nend } , ='),)] = 1.5
    family.samples[()] = math.inf
    text = render([family])
    assert '# HELP a_total a "help"\\nwith \\\\ in it\n' in text
    assert 'a_total{x="quote \\" slash \\\\ line\\nend } , ="} 1.5\n' in text
    assert "a_total +Inf\n" in text
    read(text)


@given(
    samples=st.dictionaries(
        st.tuples(
            st.sampled_from(["x", "_y", "Z9"]), st.text(st.characters(exclude_categories=["Cs"]))
        ).map(lambda pair: (pair,)),
        st.floats(allow_nan=False),
        min_size=1,
    ),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")),
)
def test_what_is_written_is_read_again_as_it_was(
    samples: dict[tuple[tuple[str, str], ...], float], text: str
) -> None:
    family = Family("some_rows", "gauge", text)
    family.samples.update(samples)
    written = render([family])
    (found,) = parse(written).values()
    assert found.samples == family.samples
    assert (found.name, found.kind, found.text) == ("some_rows", "gauge", text)
    assert render([found]) == written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# TYPE a summary\n", "line 1: the type 'summary'"),
        ("a 1\nb{\n", "line 2: it is no sample"),
        ("a{x=1} 1\n", "line 1: "),
        ("a one\n", "line 1: could not convert"),
    ],
)
def test_what_is_not_in_the_format_is_refused(text: str, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        parse(text)


def test_metrics_have_base_units_and_say_what_they_are() -> None:
    for name, (kind, text) in FAMILIES.items():
        assert name.startswith("bronze_")
        assert name.endswith("_total") == (kind == "counter")
        assert text.endswith(".")
        for unit in ("_ms", "_kb", "_mb", "_minutes", "_percent"):
            assert unit not in name
