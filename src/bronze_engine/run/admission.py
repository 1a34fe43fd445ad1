"""What a run must be able to hold: reserved before anything of it is opened."""

from __future__ import annotations

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import ConfigError
from bronze_engine.land.slice import memory_bytes
from bronze_engine.run.services import Services

__all__ = ["least_bytes"]


async def least_bytes(pipeline: Pipeline, services: Services) -> int:
    """What one slice holds at the least, with its source's lanes.

    Raises ConfigError where the engine may not hold so much.
    """
    encoders = memory_bytes(pipeline)
    source_type = await services.source_type(pipeline)
    lanes = source_type.floor_bytes(pipeline.source)
    limit = services.budget.limit_bytes
    if encoders + lanes > limit:
        fewer = " or max_open_files" if pipeline.output.partition_by else ""
        raise ConfigError(
            f"{pipeline.name} needs {encoders + lanes:,} bytes at the least ({encoders:,} to"
            f" decode and encode with output.row_group_bytes ="
            f" {pipeline.output.row_group_bytes:,}, {lanes:,} for its source), and"
            f" engine.memory_limit is {limit:,}; raise that, or lower row_group_bytes{fewer}"
        )
    return encoders + lanes
