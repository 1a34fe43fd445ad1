"""The S3 client: aiobotocore with one attempt a request, and no hashing on the event loop."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, final
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from bronze_engine.config.stores.loopback import is_loopback
from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.errors import ConfigError
from bronze_engine.network.proxy import ProxyChoice
from bronze_engine.store.network import Network
from bronze_engine.store.s3.credentials import Credentials, renew_when_refused
from bronze_engine.store.s3.foreign import stop_asking_whoever_redirects
from bronze_engine.store.s3.instant import parse_instant
from bronze_engine.store.s3.models import models
from bronze_engine.store.s3.transport import Transport
from bronze_engine.version import __version__
from bronze_engine.workers import Workers

__all__ = ["open_client"]

_DEFAULT_REGION: Final = "us-east-1"


@asynccontextmanager
async def open_client(config: S3StoreConfig, workers: Workers) -> AsyncIterator[Any]:
    """A client of the bucket's service, with its connections; they are closed on leaving.

    Sends nothing yet. One attempt a request: whoever calls repeats. Raises ConfigError for
    files, a profile or a proxy that are none. Calls raise AuthError and Transient over
    credentials, see `Credentials`, beside what is botocore's.
    """
    session, network, region = await workers.run(_prepare, config)
    credentials = Credentials(config, session, region, workers)
    session.register_component("credential_provider", _Provider(credentials))
    async with session.create_client(
        "s3",
        region_name=region,
        endpoint_url=config.endpoint_url,
        config=_client_config(config, network.proxy, network.tls),
    ) as client:
        renew_when_refused(client, credentials)
        stop_asking_whoever_redirects(client)
        client.meta.config.s3["payload_signing_enabled"] = not _is_protected(
            client.meta.endpoint_url
        )
        yield client


def _prepare(config: S3StoreConfig) -> tuple[AioSession, Network, str]:
    """Read every file that creating a client needs."""
    network = Network(config)
    session = AioSession(profile=config.profile)
    # For the clients that fetch credentials.
    session.set_default_client_config(_client_config(config, network.proxy, network.foreign_tls))
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=parse_instant)
    loader = models()
    session.register_component("data_loader", loader)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    try:
        region = config.region or session.get_config_variable("region") or _DEFAULT_REGION
        session.get_scoped_config()
    except BotoCoreError as exc:
        raise ConfigError(
            f"{config.told}: {exc}; correct profile, AWS_PROFILE or ~/.aws/config"
        ) from exc
    return session, network, region


def _client_config(
    config: S3StoreConfig, proxy: ProxyChoice, tls: ssl.SSLContext | bool
) -> AioConfig:
    return AioConfig(
        http_session_cls=partial(Transport, proxy=proxy, tls=tls),
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=config.timeout.connect,
        read_timeout=config.timeout.read,
        # botocore puts its own together anew for each request: a tenth of what one costs.
        user_agent=f"bronze-engine/{__version__}",
        s3={"addressing_style": config.addressing_style},
    )


def _is_protected(endpoint_url: str) -> bool:
    """Whether nobody between us and the server could change a body that is not signed."""
    url = urlsplit(endpoint_url)
    return url.scheme == "https" or is_loopback(url.hostname or "")


@final
class _Provider:
    """botocore's way to hand a session credentials that it does not look for itself."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> Credentials:
        return self._credentials
