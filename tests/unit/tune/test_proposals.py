"""What is proposed, as TOML that loads, and as lines and pictures that read well."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bronze_engine.cli.printing.curve import curve_lines
from bronze_engine.config.api import RateLimit
from bronze_engine.config.load import load_config
from bronze_engine.config.loading.merge import merge
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.errors import ConfigError
from bronze_engine.inspection.toml import render
from bronze_engine.model.profile import RunProfile
from bronze_engine.tune.plot import plot_writer
from bronze_engine.tune.proposals import proposals_of, toml_of
from bronze_engine.tune.report import Curve, Name, TuneReport
from bronze_engine.tune.settings import (
    Settings,
    configured,
    paging_kind,
    roomy,
    with_settings,
)
from tests.unit.tune.test_knee import point

pytestmark = pytest.mark.unit

TOML = """
[engine]
log_dir = ""
[apis.shop]
base_url = "http://127.0.0.1:9"
concurrency = 4
[apis.shop.rate_limit]
rps = 50
burst = 40
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.source.paginator]
type = "page"
size_param = "size"
page_size = 100
total_path = "total"
parallel = 2
[pipelines.team.orders.output]
compression = "zstd"
"""


def loaded(folder: Path, text: str = TOML) -> Pipeline:
    path = folder / "pipelines.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ={}).pipeline("team.orders")


def source_of(pipeline: Pipeline) -> HttpSourceConfig:
    assert isinstance(pipeline.source, HttpSourceConfig)
    return pipeline.source


def curve(name: Name, configured: str, chosen: str) -> Curve:
    labels = [configured, *([chosen] if chosen != configured else [])]
    points = [point(label, 90 * scale, 110 * scale) for scale, label in enumerate(labels, 1)]
    return Curve(
        name=name, points=tuple(points), chosen=chosen, configured=configured, bound="latency"
    )


def tuned(before: Settings) -> Settings:
    return msgspec.structs.replace(
        before,
        concurrency=16,
        page_size=800,
        rps=19.0,
        compression="lz4",
        row_group_bytes=32 * 1024**2,
    )


CURVES = [
    curve("page_size", "100", "800"),
    curve("concurrency", "4", "16"),
    curve("compression", "zstd", "lz4"),
]


def test_what_is_printed_loads_and_is_what_was_measured(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path)
    before = configured(pipeline)
    after = tuned(before)
    text = toml_of(proposals_of(pipeline, before, after, CURVES))
    pasted = merge(tomllib.loads(TOML), tomllib.loads(text))
    again = loaded(tmp_path, render(pasted))
    source = source_of(again)
    assert source.api.rate_limit is not None
    assert (source.api.concurrency, source.api.rate_limit.rps) == (16, 19.0)
    assert source.api.rate_limit.burst == 40  # what it does not name stays
    assert source.paginator.parallel == 16  # type: ignore[union-attr]  # of pages
    assert configured(again) == msgspec.structs.replace(after, rps=None)


def test_only_what_differs_is_proposed_with_what_it_brought(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path)
    before = configured(pipeline)
    assert toml_of(proposals_of(pipeline, before, before, CURVES)) == ""
    after = msgspec.structs.replace(before, page_size=800)
    text = toml_of(proposals_of(pipeline, before, after, CURVES))
    assert text == (
        "[pipelines.team.orders.source.paginator]\n"
        "page_size = 800  # +100% rows/s against 100: 100 -> 200\n"
    )


def test_trials_take_tokens_nearly_one_by_one_at_the_same_rate(tmp_path: Path) -> None:
    api = source_of(roomy(loaded(tmp_path))).api
    assert api.rate_limit == RateLimit(rps=50, burst=5)
    assert api.concurrency == 1000
    few = TOML.replace("rps = 50\nburst = 40", "rps = 2")
    assert source_of(roomy(loaded(tmp_path, few))).api.rate_limit == RateLimit(rps=2, burst=1)


def test_settings_are_what_a_trial_runs_with(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path)
    changed = with_settings(pipeline, tuned(configured(pipeline)))
    source = source_of(changed)
    assert source.paginator.page_size == 800  # type: ignore[union-attr]  # of pages
    assert source.rate_limit == RateLimit(rps=19.0, burst=1)
    assert (changed.output.compression, changed.output.row_group_bytes) == ("lz4", 32 * 1024**2)
    assert with_settings(pipeline, configured(pipeline)).output == pipeline.output


def test_pages_that_lead_to_each_other_are_no_more_at_once(tmp_path: Path) -> None:
    assert paging_kind(loaded(tmp_path)) == "foreseen"
    chained = TOML.replace('type = "page"', 'type = "cursor"\ncursor_path = "next"').replace(
        'total_path = "total"\nparallel = 2', ""
    )
    assert paging_kind(loaded(tmp_path, chained)) == "chained"


@pytest.mark.parametrize("width", [80, 120])
def test_a_curve_fits_the_terminal_and_marks_what_was_chosen(width: int) -> None:
    drawn = list(curve_lines(curve("concurrency", "4", "16"), width))
    assert max(map(len, drawn)) <= width
    title, head, own, best = drawn
    assert title == "  requests in flight"
    assert head.split("  ")[-1].strip() == "CPU s/M rows"
    assert own.startswith("  4*  █")
    assert best.startswith("> 16 ")
    assert own.count("█") * 2 == pytest.approx(best.count("█"), abs=2)


def test_a_value_with_a_fault_has_no_bar() -> None:
    points = (point("1", 90, 110), point("2", 0, 900, fault="EXT001: no"))
    bad = Curve(name="page_size", points=points, chosen="1", configured="1", bound=None)
    *_, last = curve_lines(bad, 80)
    assert "█" not in last
    assert "unfit" in last


def report() -> TuneReport:
    empty = RunProfile(
        seconds=1.0,
        reading_seconds=1.0,
        cores=2,
        cpu_seconds=1.0,
        loop_cpu_seconds=0.1,
        reading_cpu_seconds=0.1,
        reading_loop_cpu_seconds=0.1,
        loop_lag_seconds=0.0,
        loop_lag_max_seconds=0.0,
        limit_seconds={},
        held_back_seconds=0.0,
        starved_seconds=0.0,
        blocked_seconds=0.0,
        sending_seconds=0.0,
        stages=(),
    )
    return TuneReport(
        pipeline="team.orders",
        run_date=date(2025, 1, 15),
        requests=100,
        seconds=10.0,
        configured=point("as configured", 90, 110),
        tuned=point("tuned", 900, 1100),
        bound="latency",
        bound_tuned="decode",
        profile=empty,
        profile_tuned=empty,
        curves=tuple(CURVES),
        proposals=(),
        toml="",
    )


def test_curves_are_drawn_as_png_and_svg(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_writer(tmp_path / "tune.png")(report())
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")
    plot_writer(tmp_path / "tune.SVG")(report())
    drawn = ET.parse(tmp_path / "tune.SVG")  # noqa: S314  # our own
    assert drawn.getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", ["tune", "tune.pdf", "tune.jpg"])
def test_another_ending_is_refused_before_anything_runs(name: str) -> None:
    with pytest.raises(ConfigError, match=r"must end with \.png or \.svg"):
        plot_writer(Path(name))


def test_a_picture_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigError, match="name another file"):
        plot_writer(tmp_path / "nowhere" / "tune.png")(report())
