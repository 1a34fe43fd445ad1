"""What must be as it was for a run to be resumed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.load import load_config
from bronze_engine.config.output import Output
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.quality import Quality
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Request
from bronze_engine.model.landed_file import LandedBefore
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import ABSENT
from bronze_engine.model.slice import Slice
from bronze_engine.publish.base import Base
from bronze_engine.run import resume
from bronze_engine.run.resume import plan_hash
from bronze_engine.run.services import Options
from bronze_engine.run.survey import Survey
from bronze_engine.testing import ManualClock
from tests.unit.run.harness import DAY

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3] / "pipelines.toml"
NOW = ManualClock().now()
BASE = Layout(version=0, schema=pa.schema([pa.field("id", pa.int64())]))


def pipeline(**changed: Any) -> Pipeline:
    config = load_config(ROOT, environ={})
    return msgspec.structs.replace(config.pipeline(config.names[0]), **changed)


def hash_of(one: Pipeline, *, full_refresh: bool = False, **changed: Any) -> str:
    values: dict[str, Any] = {
        "pipeline": one.name,
        "system": one.system,
        "entity": one.entity,
        "run_date": DAY,
        "run": "r1",
        "load": one.load,
        "started_at": NOW,
        "incremental": one.incremental,
        "schema": one.schema,
        "primary_key": one.primary_key,
    }
    standing = Survey(
        partition="p",
        base=Base(partition="p", manifest=None, version=ABSENT),
        request=Request(**{**values, **changed}),
    )
    return plan_hash(one, standing, Options(full_refresh=full_refresh))


def test_every_pipeline_of_the_root_file_has_a_plan() -> None:
    config = load_config(ROOT, environ={})
    hashes = {hash_of(config.pipeline(name)) for name in config.names}
    assert len(hashes) == len(config.names)


@pytest.mark.parametrize(
    "changed",
    [
        {"low": "2025-01-01T00:00:00Z"},
        {"read_from": "2025-01-01T00:00:00Z"},
        {"cap": "2025-01-01T00:00:00Z"},
        {"low_open": False},
        {"base": BASE},
        {"run_date": DAY + timedelta(days=1)},
        {"primary_key": ("other",)},
        {"incremental": Incremental(cursor="at", step=Duration(60), steps_per_slice=2)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_window_or_base_is_another_plan(changed: dict[str, Any]) -> None:
    one = pipeline()
    assert hash_of(one, **changed) != hash_of(one)


@pytest.mark.parametrize(
    "changed",
    [
        {"config_hash": "other"},
        {"output": Output(row_group_rows=5)},
        {"output": Output(compression="gzip")},
        {"quality": Quality(max_bad_rows=5)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_configuration_is_another_plan(changed: dict[str, Any]) -> None:
    assert hash_of(pipeline(**changed)) != hash_of(pipeline())


def test_a_full_refresh_and_another_version_are_other_plans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = hash_of(pipeline())
    assert hash_of(pipeline(), full_refresh=True) != before
    monkeypatch.setattr(resume, "__version__", "99.0.0")
    assert hash_of(pipeline()) != before


@pytest.mark.parametrize(
    "changed",
    [
        {"run": "r2"},
        {"started_at": NOW + timedelta(hours=1)},
        {"epoch": 7},
        {"resumed": Slice(index=1, label="")},
        {"landed": LandedBefore(here={}, elsewhere={}, is_newest=True)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_who_runs_it_and_when_does_not_matter(changed: dict[str, Any]) -> None:
    assert hash_of(pipeline(), **changed) == hash_of(pipeline())
