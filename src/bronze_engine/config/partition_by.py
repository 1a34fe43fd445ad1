"""What an entry of `output.partition_by` says."""

from __future__ import annotations

import re
from typing import Final, Literal, cast

import msgspec

__all__ = ["By", "PartitionField"]

By = Literal["value", "year", "month", "day", "hour"]

_CALL: Final = re.compile(r"\s*(value|year|month|day|hour)\s*\(\s*(.+?)\s*\)\s*", re.DOTALL)


class PartitionField(msgspec.Struct, frozen=True):
    """One level of folders below the run date: by a column's values, or by a part of its time."""

    column: str
    by: By = "value"

    @classmethod
    def parse(cls, text: str) -> PartitionField:
        """`country`, `day(created_at)`; `value(…)` for a column that is itself called `day(x)`."""
        found = _CALL.fullmatch(text)
        return cls(text) if found is None else cls(found[2], cast("By", found[1]))

    def key(self, name: str) -> str:
        """What stands before the `=` of its folders, of a column that landed as `name`.

        A column's own name only where the folder has the column's own value: readers that go by
        folders put that in the place of the column.
        """
        return name if self.by == "value" else f"{name}_{self.by}"
