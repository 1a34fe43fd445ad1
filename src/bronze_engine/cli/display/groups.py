"""The limit group of each pipeline, as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from bronze_engine.config.limit_group import limit_group
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.limits.registry import GroupStatistics

__all__ = ["Groups"]


@final
class Groups:
    """Finds the statistics of a pipeline's limit group; which group it is never changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._names: dict[str, str] = {}
        self._now: dict[str, GroupStatistics] = {}

    def note(self, statistics: Sequence[GroupStatistics]) -> None:
        """Take what `Engine.statistics` has just said."""
        self._now = {each.group: each for each in statistics}

    def of(self, pipeline: str) -> GroupStatistics | None:
        """None before the first request to it."""
        name = self._names.get(pipeline)
        if name is None:
            try:
                name = limit_group(self._engine.config.pipeline(pipeline).source)
            except ConfigError:  # a pipeline that is wrong has no limits
                name = ""
            self._names[pipeline] = name
        return self._now.get(name)
