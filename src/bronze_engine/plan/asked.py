"""Whether a request says which date it is asked for, and whether that date is well chosen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.chain import all_asked
from bronze_engine.config.source import CustomSource, FilesSourceConfig, HttpSourceConfig
from bronze_engine.config.template import uses
from bronze_engine.plan.window import is_chained, is_dated

__all__ = ["date_warning", "names_run_date"]

_AHEAD: Final = timedelta(days=1)
"""A scheduler's tomorrow may be today where it is."""


def names_run_date(pipeline: Pipeline) -> bool:
    """Whether what is asked for says which date it is asked for."""
    source = pipeline.source
    asked: Iterable[Any]
    match source:
        case FilesSourceConfig():
            asked = source.urls
        case HttpSourceConfig():
            asked = all_asked(source)
        case CustomSource():
            return source.names_run_date
        case _:
            asked = (source.query, source.where)
    return any("run_date" in uses(part) for part in asked)


def date_warning(
    pipeline: Pipeline, run_date: date, today: date, *, later: date | None = None
) -> str | None:
    """What to say where a past date will hold today's data, or a chain ends in the future.

    None where all is well. `later` is the first date after it that is committed.
    """
    latest = run_date if later is None else later
    if is_chained(pipeline) and latest - today > _AHEAD:
        return (
            f"{latest} is in the future{'' if later is None else ', and committed'}: no date before"
            " it takes in rows beyond where its window begins, however often it is run. If"
            f" that was a slip, remove the folder dt={latest}, and run `bronze state rebuild`"
        )
    if run_date >= today or is_dated(pipeline) or names_run_date(pipeline):
        return None
    source, where = pipeline.source, "query or where, if the database"
    if isinstance(source, FilesSourceConfig):
        if pipeline.incremental is not None:  # the files of a date are recorded
            return None
        where = "url, if its files"
    elif isinstance(source, CustomSource):
        where = "what the source is asked for, if it"
    elif isinstance(source, HttpSourceConfig):
        where = "the path or params where the API"
    return (
        f"{run_date} is past and the request does not name it: this is today's data under an old"
        f" date; use {{run_date}} in {where} can be asked for a date"
    )
