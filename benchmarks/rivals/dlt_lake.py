"""dlt's filesystem destination, as all candidates of dlt have it: no telemetry, few words.

A run's folder holds dlt's own state and, unless there is a store, the lake.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.update({"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"})

import dlt

__all__ = ["pipeline"]


def pipeline(out: Path, store: Mapping[str, str] | None = None, name: str = "bench") -> Any:
    destination = dlt.destinations.filesystem(bucket_url=(out / "lake").as_uri())
    if store is not None:
        credentials = {
            "aws_access_key_id": store["access_key_id"],
            "aws_secret_access_key": store["secret_access_key"],
            "region_name": store["region"],
            "endpoint_url": store["endpoint_url"],
        }
        destination = dlt.destinations.filesystem(
            bucket_url=f"{store['url']}/{out.name}", credentials=credentials
        )
    return dlt.pipeline(
        pipeline_name=name,
        pipelines_dir=str(out / "pipelines"),
        destination=destination,
        dataset_name="bench",
    )
