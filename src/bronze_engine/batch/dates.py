"""The dates of a batch, and whether its pipelines have data of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from bronze_engine.config.config import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import ConfigError
from bronze_engine.plan.asked import names_run_date
from bronze_engine.plan.window import is_chained

__all__ = ["check_range", "days_from"]

SHOWN: Final = 10
"""Pipelines, at most, that a message names: a range may be asked for of thousands."""


def days_from(first: date, last: date, today: date) -> tuple[date, ...]:
    """The dates from `first` to `last`, both included.

    Raises ConfigError where there is none, and past today, which has no data yet.
    """
    if last < first:
        raise ConfigError(f"from {first} to {last} there is no date; give the earlier one first")
    if last > today:
        raise ConfigError(
            f"{last} is after today, {today}, and has no data yet; end with {today} or before"
        )
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def check_range(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """What to warn of where these pipelines are run for a range of dates.

    Raises ConfigError where some would land today's data under each of them; all of these are
    the `pipelines` of its context. One whose configuration is wrong says so when it is run.
    """
    known = [pipeline for name in names if (pipeline := _resolved(config, name)) is not None]
    same = [each.name for each in known if each.incremental is None and not names_run_date(each)]
    if same:
        raise ConfigError(
            f"{_listed(same)} would land today's data under every date: the request does not"
            " name {run_date}, and there is no cursor; leave out what has no dates, use"
            ' {run_date}, or set load = "incremental" with a cursor and window = "date"',
            pipelines=same,
        )
    chains = [each.name for each in known if is_chained(each) and not names_run_date(each)]
    if not chains:
        return ()
    warning = (
        f"{_listed(chains)}: of the dates of a chain only the first will hold history, and each"
        " later one what came since the one before"
    )
    return (warning,)


def _listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _resolved(config: Config, name: str) -> Pipeline | None:
    try:
        return config.pipeline(name)
    except ConfigError:
        return None
