"""The S3 client: aiobotocore with one attempt a request, and no hashing on the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from bronze_engine.config.loopback import is_loopback
from bronze_engine.config.store import S3StoreConfig
from bronze_engine.store.network import Network
from bronze_engine.store.s3_models import models
from bronze_engine.store.s3_transport import Transport
from bronze_engine.workers import Workers

__all__ = ["open_client"]

_DEFAULT_REGION: Final = "us-east-1"


@asynccontextmanager
async def open_client(config: S3StoreConfig, workers: Workers) -> AsyncIterator[Any]:
    """A client of the bucket's service, with its connections; they are closed on leaving.

    Sends nothing yet. One attempt a request: whoever calls repeats.
    """
    session, network, region = await workers.run(_prepare, config)
    async with session.create_client(
        "s3",
        region_name=region,
        endpoint_url=config.endpoint_url,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=_revealed(config.secret_access_key),
        aws_session_token=_revealed(config.session_token),
        config=_client_config(config, network),
    ) as client:
        client.meta.config.s3["payload_signing_enabled"] = not _is_protected(
            client.meta.endpoint_url
        )
        yield client


def _prepare(config: S3StoreConfig) -> tuple[AioSession, Network, str]:
    """Read every file that creating a client needs."""
    network = Network(config)
    session = AioSession(profile=config.profile)
    loader = models()
    session.register_component("data_loader", loader)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    region = config.region or session.get_config_variable("region") or _DEFAULT_REGION
    return session, network, region


def _client_config(config: S3StoreConfig, network: Network) -> AioConfig:
    return AioConfig(
        http_session_cls=partial(Transport, proxy=network.proxy, tls=network.tls),
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=config.timeout.connect,
        read_timeout=config.timeout.read,
        s3={"addressing_style": config.addressing_style},
    )


def _is_protected(endpoint_url: str) -> bool:
    """Whether nobody between us and the server could change a body that is not signed."""
    url = urlsplit(endpoint_url)
    return url.scheme == "https" or is_loopback(url.hostname or "")


def _revealed(secret: Any) -> str | None:
    return None if secret is None else secret.reveal()
