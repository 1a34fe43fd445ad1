"""What a rule applies to, and what it is called where it can't be applied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.expression.parse import parse_condition
from bronze_engine.config.quality_rule import QualityRule, columns_of, name_of
from bronze_engine.errors import QualityError
from bronze_engine.quality.conditions.constants import Unfit
from bronze_engine.quality.conditions.evaluate import truth_of

__all__ = ["Scope"]


@final
class Scope:
    """The rows that a rule's `where` leaves it."""

    def __init__(self, config: QualityRule) -> None:
        self.name: Final = name_of(config)
        self._columns: Final = columns_of(config)
        self._where: Final = None if config.where is None else parse_condition(config.where)

    def rows(self, batch: pa.RecordBatch) -> Any | None:
        """Which rows it looks at; None where it does at all of them. Raises QualityError."""
        if self._where is None:
            return None
        with self.explained():
            return pc.fill_null(truth_of(self._where, batch), False)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what a column's type does not allow into the run's QualityError."""
        try:
            yield
        except Unfit as exc:
            raise QualityError(
                f"quality rule {self.name}: {exc}; nothing was committed; mend the rule, or type"
                " the column in schema.columns",
                rule=self.name,
                column=", ".join(self._columns),
            ) from exc
