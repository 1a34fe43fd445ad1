"""moto for the demo: S3 in a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bronze_engine.demo.process import ServerProcess
from bronze_engine.errors import ConfigError

__all__ = ["open_moto"]


@asynccontextmanager
async def open_moto(bucket: str) -> AsyncIterator[Mapping[str, str]]:
    """Start it with a bucket; gives the keys of [stores] that land there."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask_cors") is None:
        raise ConfigError(
            "moto, the S3 server of the demo, is not installed: `make demo TARGET=s3` installs it, "
            "or pip install 'moto[s3,server]'"
        )
    command = [sys.executable, "-m", "bronze_engine.demo.moto_server", bucket]
    async with ServerProcess("moto", command) as url:
        yield {
            "url": f"s3://{bucket}/lake",
            "endpoint_url": url,
            "region": "us-east-1",
            "access_key_id": "demo",
            "secret_access_key": "demo-secret",
        }
