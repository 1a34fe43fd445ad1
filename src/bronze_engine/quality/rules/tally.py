"""What a rule has counted: the state that all rules about rows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.quality_rule import QualityRule, kind_of, name_of
from bronze_engine.model.quality import RuleResult, Verdict
from bronze_engine.model.types.row_text import printed_values
from bronze_engine.quality.conditions.evaluate import column_of
from bronze_engine.quality.conditions.misfits import misfits_of

__all__ = ["EXAMPLES", "Tally", "shown"]

EXAMPLES: Final = 3
_LONGEST: Final = 80


class _Counts(msgspec.Struct, frozen=True, array_like=True):
    checked: int
    failed: int
    examples: tuple[str, ...]


@final
class Tally:
    """How many rows a rule has looked at, how many broke it, and the first of those."""

    def __init__(self, config: QualityRule) -> None:
        self._config: Final = config
        self.checked = 0
        self.failed = 0
        self.examples: tuple[str, ...] = ()

    def add(self, broken: Any, batch: pa.RecordBatch, columns: Sequence[str]) -> None:
        """Count rows that broke the rule, and keep the first ones' values of those columns."""
        self.failed += broken.true_count
        missing = EXAMPLES - len(self.examples)
        if missing > 0:
            places = pc.indices_nonzero(broken).slice(0, missing)
            self.examples += tuple(shown(batch, columns, places))

    def state(self) -> bytes:
        counts = _Counts(self.checked, self.failed, self.examples)
        return msgspec.msgpack.encode(counts)

    def merge(self, state: bytes) -> None:
        """Add what came after."""
        other = msgspec.msgpack.decode(state, type=_Counts)
        self.checked += other.checked
        self.failed += other.failed
        self.examples = (*self.examples, *other.examples)[:EXAMPLES]

    def result(self, *, is_partition_wide: bool = False, detail: str = "") -> RuleResult:
        """What it comes to. `is_partition_wide`: no single row can be blamed, and kept out."""
        config = self._config
        verdict: Verdict = "passed"
        if self.failed:
            verdict = "warned" if config.level == "warn" else "rejected"
            if verdict == "rejected" and is_partition_wide:
                verdict = "failed"
        return RuleResult(
            name=name_of(config),
            rule=kind_of(config),
            level=config.level,
            verdict=verdict,
            checked=self.checked,
            failed=self.failed,
            detail=detail,
            examples=self.examples,
        )


def shown(batch: pa.RecordBatch, columns: Sequence[str], places: Any) -> list[str]:
    """Values of some rows, for people: `3`, or of several columns `a = 3, b = NULL`; cut."""
    if not columns:
        return [""] * len(places)
    values = [_printed(batch, name, places) for name in columns]
    found = []
    for row in zip(*values, strict=True):
        texts = ["NULL" if value is None else str(value) for value in row]
        if len(columns) > 1:
            texts = [f"{name} = {text}" for name, text in zip(columns, texts, strict=True)]
        text = ", ".join(texts)
        found.append(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")
    return found


def _printed(batch: pa.RecordBatch, name: str, places: Any) -> list[Any]:
    """Values of a column, and of those that did not fit it the JSON text."""
    values = printed_values(column_of(batch, name).take(places))
    beside = misfits_of(batch, name)
    if beside is None:
        return values
    texts = beside.take(places).to_pylist()
    return [text if value is None else value for value, text in zip(values, texts, strict=True)]
