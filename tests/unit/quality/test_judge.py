"""What is left of a group that rules have judged, and what the rules may hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import pytest_asyncio

from bronze_engine.config.quality_rule import QualityRule, RangeRule, UniqueRule
from bronze_engine.contracts import Decoded
from bronze_engine.errors import ConfigError, QualityError
from bronze_engine.flow import Budget
from bronze_engine.model.layout import Layout
from bronze_engine.quality.judge import RunRules, SliceRules
from bronze_engine.quality.rules.make import Circumstances
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit


@pytest_asyncio.fixture
async def workers() -> AsyncIterator[Workers]:
    with Workers(1) as found:
        yield found


def rules_of(
    workers: Workers, *rules: QualityRule, limit: int = 1024**2, has_fixed_columns: bool = False
) -> tuple[RunRules, Budget]:
    budget = Budget(limit)
    circumstances = Circumstances(run="r", began=datetime(2025, 1, 1, tzinfo=UTC))
    run = RunRules(rules, circumstances, budget, workers, has_fixed_columns=has_fixed_columns)
    return run, budget


def decoded(batch: pa.RecordBatch) -> Decoded:
    return Decoded(batch=batch, layout=Layout(version=1, schema=batch.schema))


@pytest.mark.asyncio
async def test_a_row_without_a_record_is_kept_as_the_text_of_its_columns(
    workers: Workers,
) -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "n": pa.array([1, 2**62], pa.int64()),
            "d": pa.array(["1.10", "12345678901234567.89"]).cast(pa.decimal128(20, 2)),
            "at": pa.array([0, 1], pa.timestamp("ns", "UTC")),
            "b": pa.array([None, b"\xff"]),
        }
    )
    run, _ = rules_of(workers, RangeRule(column="n", max=1))
    kept = await SliceRules(run).apply(decoded(batch))
    assert kept.batch.num_rows == 1
    (reject,) = kept.rejects
    assert (reject.offset, reject.rule) == (1, "range(n)")
    assert json.loads(reject.raw) == {
        "n": 2**62,
        "d": "12345678901234567.89",
        "at": "1970-01-01 00:00:00.000000001Z",
        "b": "/w==",
    }


@pytest.mark.asyncio
async def test_keys_are_held_within_the_budget_and_given_back(workers: Workers) -> None:
    batch = _batch_of(1000)
    run, budget = rules_of(workers, UniqueRule(column="n"), limit=64_000)
    first = SliceRules(run)
    await first.apply(decoded(batch))
    assert budget.kept_bytes == 16_000
    with pytest.raises(QualityError, match="the keys that unique rules compare take 48,000 bytes"):
        await SliceRules(run).apply(decoded(_batch_of(2000)))
    first.forget()
    assert budget.kept_bytes == 0
    await SliceRules(run).apply(decoded(batch))
    run.release()
    assert budget.kept_bytes == 0


def _batch_of(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"n": pa.array(range(rows))})


@pytest.mark.asyncio
async def test_where_the_columns_are_fixed_another_one_is_a_fault_of_the_configuration(
    workers: Workers,
) -> None:
    run, _ = rules_of(workers, RangeRule(column="m", min=0, where="k = 1"), has_fixed_columns=True)
    batch = pa.RecordBatch.from_pydict({"n": pa.array([1])})
    with pytest.raises(ConfigError, match=r'quality.rules.0 \(range\(m\)\): .* known are "n"'):
        await SliceRules(run).apply(decoded(batch))
