"""What may be wrong with the window that a date covers by itself."""

from __future__ import annotations

from collections.abc import Iterator

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.chain import all_asked
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import uses
from bronze_engine.errors import ConfigError

__all__ = ["date_window_faults"]


def date_window_faults(
    pipeline: Pipeline, incremental: Incremental, path: KeyPath
) -> Iterator[Fault]:
    """Faults of `window = "date"`, which needs a cursor that has days and both of its bounds."""
    if incremental.window != "date":
        return
    here = (*path, "window")
    if incremental.cursor_type not in ("timestamp", "date"):
        yield Fault(
            here,
            f'"date" is for cursor_type = "timestamp" and "date": "{incremental.cursor_type}" has'
            ' no days; leave window out ("chain")',
        )
    if not incremental.low_open:
        yield Fault(
            (*path, "low_open"), 'has no effect where window = "date": a day holds its first value'
        )
    if isinstance(pipeline.source, HttpSourceConfig):
        yield from _bounds(pipeline.source, incremental, here)


def _bounds(source: HttpSourceConfig, incremental: Incremental, path: KeyPath) -> Iterator[Fault]:
    """A request without one of its bounds would ask for all days, on every date."""
    try:
        names = frozenset[str]().union(*(uses(part) for part in all_asked(source)))
    except ConfigError:
        return  # somebody else's to tell
    if "run_date" in names:
        return
    for key, name in (("start_param", "low"), ("end_param", "high")):
        if getattr(incremental, key) is None and name not in names:
            yield Fault(
                path,
                f'"date" needs both bounds in the request; set {key}, or use {{{name}}} or'
                " {run_date} in path or params",
            )
