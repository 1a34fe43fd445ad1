"""The curves as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bronze_engine.adapters import figure_type
from bronze_engine.errors import ConfigError
from bronze_engine.tune.labels import CURVES
from bronze_engine.tune.report import Curve, Point, TuneReport

__all__ = ["plot_writer"]

_ENDINGS: Final = (".png", ".svg")
_KINDS: Final = ("compression",)
"""Values without an order: no line leads from one to the next."""
_BLUE: Final = "#1f5fa8"
_ORANGE: Final = "#d9731a"
_GREY: Final = "#777777"


def plot_writer(path: Path) -> Callable[[TuneReport], None]:
    """What draws a report into that file.

    Raises ConfigError where the ending is neither .png nor .svg, where the extra is not
    installed, and, when it draws, where the file can't be written.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise ConfigError(f"--plot {path}: the name must end with {' or '.join(_ENDINGS)}")
    make_figure = figure_type()

    def draw(report: TuneReport) -> None:
        figure = _figure(make_figure, report)
        try:
            figure.savefig(path, dpi=150)
        except OSError as exc:
            raise ConfigError(f"--plot {path}: {exc.strerror}; name another file") from exc

    return draw


def _figure(make_figure: Any, report: TuneReport) -> Any:
    curves = [curve for curve in report.curves if curve.points]
    figure = make_figure(figsize=(9, 0.9 + 3.4 * max(1, len(curves))), layout="constrained")
    figure.suptitle(
        f"{report.pipeline}: {report.configured.rows_per_second:,.0f} rows/s as configured"
        f" (bounded by {report.bound}), {report.tuned.rows_per_second:,.0f} tuned"
        f" (by {report.bound_tuned})",
        fontsize=11,
    )
    for place, curve in enumerate(curves, 1):
        _panel(figure.add_subplot(len(curves), 1, place), curve)
    return figure


def _panel(axes: Any, curve: Curve) -> None:
    points = [point for point in curve.points if point.fault is None]
    places = range(len(points))
    rates = [point.rows_per_second for point in points]
    spread = [
        [point.rows_per_second - point.low for point in points],
        [point.high - point.rows_per_second for point in points],
    ]
    is_scale = curve.name not in _KINDS
    if not is_scale:
        axes.bar(places, rates, width=0.5, color=_BLUE, alpha=0.35)
    axes.errorbar(
        places,
        rates,
        yerr=spread,
        color=_BLUE,
        marker="o",
        linestyle="-" if is_scale else "none",
        capsize=4,
        label="rows/s, lowest to highest",
    )
    axes.set_xticks(list(places), [_tick(point, curve) for point in points])
    axes.set_xlabel(CURVES[curve.name])
    axes.set_ylabel("rows/s", color=_BLUE)
    axes.set_ylim(0, 1.12 * max((point.high for point in points), default=1.0))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(visible=True, axis="y", alpha=0.3)
    chosen = next((at for at, point in enumerate(points) if point.label == curve.chosen), None)
    if chosen is not None:
        axes.plot(
            [chosen],
            [rates[chosen]],
            marker="o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor=_ORANGE,
            markeredgewidth=2,
            linestyle="none",
            label=f"{'kept' if curve.chosen == curve.configured else 'chosen'}: {curve.chosen}",
        )
    handles, labels = axes.get_legend_handles_labels()
    if any(point.requests for point in points):
        more, names = _latency(axes.twinx(), points, is_line=is_scale)
        handles, labels = handles + more, labels + names
    axes.legend(
        handles,
        labels,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        fontsize=8,
        frameon=False,
    )


def _latency(axes: Any, points: Sequence[Point], *, is_line: bool) -> tuple[list[Any], list[str]]:
    """On an axis of its own; what the legend says of it."""
    axes.plot(
        range(len(points)),
        [point.latency_seconds * 1000 for point in points],
        color=_GREY,
        linestyle="--" if is_line else "none",
        marker=".",
        label="ms a request",
    )
    axes.set_ylabel("ms a request", color=_GREY)
    axes.set_ylim(0, 1.12 * max(point.latency_seconds * 1000 for point in points) or 1.0)
    told: tuple[list[Any], list[str]] = axes.get_legend_handles_labels()
    return told


def _tick(point: Point, curve: Curve) -> str:
    own = "\nconfigured" if point.label == curve.configured else ""
    refused = f"\n{point.refused} refused" if point.refused else ""
    return f"{point.label}{own}{refused}"
