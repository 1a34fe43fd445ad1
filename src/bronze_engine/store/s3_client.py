"""The S3 client: aiobotocore with one attempt a request, and no hashing on the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from bronze_engine.config.loopback import is_loopback
from bronze_engine.config.store import S3StoreConfig
from bronze_engine.workers import Workers

__all__ = ["open_client"]

_DEFAULT_REGION: Final = "us-east-1"


@asynccontextmanager
async def open_client(config: S3StoreConfig, workers: Workers) -> AsyncIterator[Any]:
    """A client of the bucket's service, with its connections; they are closed on leaving.

    One attempt a request: whoever calls repeats.
    """
    session = await workers.run(_session, config)
    async with session.create_client(
        "s3",
        region_name=config.region or _DEFAULT_REGION,
        endpoint_url=config.endpoint_url,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=_revealed(config.secret_access_key),
        aws_session_token=_revealed(config.session_token),
        config=_client_config(config),
    ) as client:
        yield client


def _session(config: S3StoreConfig) -> AioSession:
    """A session whose files are read: the service's model alone is 1.5 MB of JSON."""
    session = AioSession(profile=config.profile)
    session.warm_up_loader_caches("s3")
    return session


def _client_config(config: S3StoreConfig) -> AioConfig:
    return AioConfig(
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=config.concurrency,
        connect_timeout=config.timeout.connect,
        read_timeout=config.timeout.read,
        s3={
            "addressing_style": config.addressing_style,
            "payload_signing_enabled": not _is_protected(config.endpoint_url),
        },
    )


def _is_protected(endpoint_url: str | None) -> bool:
    """Whether nobody between us and the server could change a body that is not signed."""
    if endpoint_url is None:
        return True
    url = urlsplit(endpoint_url)
    return url.scheme == "https" or is_loopback(url.hostname or "")


def _revealed(secret: Any) -> str | None:
    return None if secret is None else secret.reveal()
