"""A history played on a real engine, and what must be true after each of its runs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import StateError

from . import oracle
from .histories import Curate, History, Land, Pattern, Remove, histories
from .lake import NAME, Lake, comparable
from .oracle import Landed, Row, Table

__all__ = ["Life", "check_versions", "live", "play"]


def play(
    folder: Path,
    pattern: Pattern,
    examples: int,
    *,
    part: int = 0,
    removes: bool = False,
) -> set[str]:
    """So many lives, the same ones of a part each time; how their runs made the tables.

    A life that fails is told as it was: to make it shorter takes minutes, which a test has not.
    """
    modes: set[str] = set()

    @seed(part)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def lives(data: st.DataObject) -> None:
        history = data.draw(histories(pattern, removes=removes))
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            modes.update(asyncio.run(live(place, history)))
        finally:
            shutil.rmtree(place)

    lives()
    return modes


async def live(folder: Path, history: History) -> set[str]:
    """Play all of a history; at the end its table is what a rebuild makes of the same dates.

    Returns how the runs made the table: SilverTable.mode.
    """
    lake = Lake(folder, history.table, history.schema, load=history.load)
    async with open_engine(lake.config(), clock=SYSTEM_CLOCK) as engine:
        life = Life(lake, engine)
        for step in history.steps:
            match step:
                case Land(landed):
                    lake.land(landed)
                    life.bronze[landed.run_date] = landed
                case Remove(run_date):
                    lake.remove(run_date)
                    del life.bronze[run_date]
                case Curate(run_dates):
                    await life.curate(run_dates)
        await life.rebuild()
    return life.modes


class Life:
    """What is in Bronze, what the table has taken in, and the runs between the two."""

    def __init__(self, lake: Lake, engine: Engine) -> None:
        self.lake = lake
        self.engine = engine
        self.bronze: dict[date, Landed] = {}
        self.taken: dict[date, Landed] = {}
        self.modes: set[str] = set()
        self.is_rebuilt = False
        """Whether the table as it stands was made of Bronze alone."""

    async def curate(self, run_dates: Sequence[date] | None = None) -> None:
        """Run Silver. The table counts what it should, and holds what the oracle says.

        A date that it has, and that was landed again, is taken in whatever was asked for.
        """
        asked = set(self.bronze | self.taken if run_dates is None else run_dates)
        known = {day: one for day, one in self.bronze.items() if day in asked | self.taken.keys()}
        before = self.lake.manifest()
        if not asked & (self.bronze.keys() | self.taken.keys()):
            with pytest.raises(StateError, match="no committed Bronze"):
                await self.engine.silver(NAME, run_dates=run_dates)
            assert self.lake.manifest() == before
            return
        dates = self.taken | known
        report = await self.engine.silver(NAME, run_dates=run_dates)
        self._check(dates)
        manifest = self.lake.manifest()
        assert (manifest and manifest.generation) == report.generation
        assert report.silver is not None
        if manifest == before:
            assert report.silver.mode is None
        elif report.silver.mode is not None:
            self.modes.add(report.silver.mode)
            self.is_rebuilt = report.silver.mode == "rebuild"

    async def rebuild(self) -> None:
        """Make everything anew: what is gone from Bronze is gone from the table, too."""
        if not self.bronze or (self.is_rebuilt and self.taken.keys() <= self.bronze.keys()):
            return
        await self.engine.silver(NAME, rebuild=True)
        self._check(self.bronze)

    def _check(self, dates: dict[date, Landed]) -> None:
        expected = oracle.counted(dates.values())
        manifest = self.lake.manifest()
        if manifest is None:
            assert expected == []
            return
        assert manifest.silver is not None
        inputs = [(each.run_date, each.generation) for each in manifest.silver.inputs]
        assert inputs == [(each.run_date, each.generation) for each in expected]
        found = self.lake.rows()
        assert found is not None
        table = self.lake.table
        rows, truth = comparable(found), comparable(oracle.rows(table, expected))
        assert rows == truth, f"in the table: {rows}\nin truth: {truth}"
        if table.history == "full":
            check_versions(table, found)
        assert self.lake.unowned() == []
        self.taken = {each.run_date: each for each in expected}


def check_versions(table: Table, rows: Sequence[Row]) -> None:
    """Of each key: intervals one after another, without a gap while it lives, and one current
    row where it does."""
    keyed: dict[str, list[Row]] = {}
    for row in rows:
        keyed.setdefault(repr([row[name] for name in table.keys]), []).append(row)
    for versions in keyed.values():
        open_ended = [row for row in versions if row["effective_to"] is None]
        current = [row for row in versions if row["is_current"]]
        assert len(open_ended) <= 1, "two versions that have not ended"
        assert current == [row for row in open_ended if not row.get("is_deleted")]
        starts = [repr(row["effective_from"]) for row in versions]
        ends = [repr(row["effective_to"]) for row in versions if row["effective_to"] is not None]
        assert len(set(starts)) == len(starts), "two versions from one instant"
        assert len(set(ends)) == len(ends), "two versions to one instant"
        assert all(
            row["effective_from"] != row["effective_to"]
            for row in versions
            if row["effective_to"] is not None
        ), "a version of no time"
        if table.deletes != "hard":  # with it a gap is what a delete leaves
            assert len(set(ends) - set(starts)) == 0, "a gap"
            assert len(open_ended) == 1, "no last version"
