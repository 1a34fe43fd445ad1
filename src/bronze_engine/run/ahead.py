"""The state against the data: a hint that knows of more than the manifests is no small thing."""

from __future__ import annotations

from typing import Any

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.window import cursor_key
from bronze_engine.plan.window import is_chained
from bronze_engine.run.services import Stores
from bronze_engine.state import hint
from bronze_engine.state.hint import Hint, hint_of
from bronze_engine.state.partitions import read_neighbours

__all__ = ["check_ahead", "find_ahead"]


async def check_ahead(stores: Stores, pipeline: Pipeline, around: Neighbours) -> None:
    """Raise StateError (STATE001) where a chain's state is ahead of its data.

    The newest partition is gone, or an older one stands in its place: the next run would read
    again what has been handed on under another date. Older dates are removed by retention.
    """
    if not is_chained(pipeline):
        return
    found = await hint.read(stores.state, pipeline.system, pipeline.entity)
    if found is None:
        return
    why = find_ahead(stores, pipeline, found, around)
    if why is not None:  # or a run has committed, and told the hint, since the manifests were read
        last = found.run_date
        around = await read_neighbours(stores.target, pipeline.system, pipeline.entity, last)
        why = find_ahead(stores, pipeline, found, around)
    if why is not None:
        raise StateError(
            f"the state of {pipeline.name} is ahead of its data: {why}. Put back the partition"
            f" that is missing, or go on from the data with `bronze state rebuild {pipeline.name}`",
            pipeline=pipeline.name,
            state=_high(found),
        )


def find_ahead(stores: Stores, pipeline: Pipeline, found: Hint, around: Neighbours) -> str | None:
    """What the hint knows and the manifests don't, with both values; None where nothing."""
    last = around.last
    if last is not None and last.run_date > found.run_date:
        return None  # the manifests have gone on without it, or an epoch began at an older date
    key = hint.key_of(pipeline.system, pipeline.entity)
    says = f"{key} ends with {found.run_date}, generation {found.generation}, at {_high(found)}"
    if last is None or last.run_date < found.run_date:
        ends = "holds no date" if last is None else f"ends with {last.run_date}, at {_high(last)}"
        return f"{says}, and {stores.target.url} {ends}"
    if found.place >= hint_of(last).place and _is_above(found, last, pipeline):
        return f"{says}, and the manifest, of generation {last.generation}, at {_high(last)}"
    return None


def _is_above(found: Hint, manifest: Manifest, pipeline: Pipeline) -> bool:
    left, right = found.watermark, manifest.watermark
    if left is None or left.high is None or pipeline.incremental is None:
        return False
    if right is None or (left.column, left.type) != (right.column, right.type):
        return False
    if right.high is None:
        return True

    def key(value: str) -> Any:
        assert pipeline.incremental is not None  # noqa: S101  # asked above
        return cursor_key(value, left.type, pipeline.incremental.cursor_timezone)

    try:
        return bool(key(left.high) > key(right.high))
    except ValueError:
        return False  # what can't be read says nothing


def _high(of: Hint | Manifest) -> str:
    watermark = of.watermark
    return "no watermark" if watermark is None or watermark.high is None else watermark.high
