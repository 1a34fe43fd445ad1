"""The container of an Azure store, opened: one attempt a request, our network settings."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, cast

import aiohttp
import msgspec
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import ContainerClient

from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.errors import AuthError
from bronze_engine.network.session import open_session
from bronze_engine.store.azure.access import Access, access_of
from bronze_engine.store.azure.session import Session
from bronze_engine.store.network import Network
from bronze_engine.workers import Workers

__all__ = ["WINDOW_BYTES", "Container", "open_container"]

WINDOW_BYTES: Final = 8 * 1024**2
"""The most that one request reads."""
_LARGEST_PUT_BYTES: Final = 256 * 1024**2
"""Of a single Put Blob; small objects are megabytes at most, and never sent in blocks."""
_TOKENS: Final = "login.microsoftonline.com"


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """An open container."""

    client: ContainerClient
    session: Session
    is_encrypted: bool


class _Settings(msgspec.Struct, frozen=True):
    access: Access
    network: Network


@asynccontextmanager
async def open_container(config: AzureStoreConfig, workers: Workers) -> AsyncIterator[Container]:
    """Open the client; makes no request. Its connections are closed on leaving.

    Raises ConfigError as `access_of` and `Network` do, and AuthError where no credential
    is configured and azure-identity is not installed.
    """
    settings = await workers.run(_settings, config)
    access, network = settings.access, settings.network
    async with AsyncExitStack() as stack:
        connections = await stack.enter_async_context(_connections(config, network.tls))
        session = Session(connections, proxy=network.proxy, read_seconds=config.timeout.read)
        credential: Any = access.credential
        if credential is None:
            others = await stack.enter_async_context(_connections(config, network.foreign_tls))
            credential = await stack.enter_async_context(
                await workers.run(_default_credential, config, network, others)
            )
        client = ContainerClient(
            access.endpoint,
            config.address.container,
            credential=credential,
            transport=AioHttpTransport(
                session=cast("aiohttp.ClientSession", session), session_owner=False
            ),
            retry_total=0,
            permit_redirects=False,
            max_single_put_size=_LARGEST_PUT_BYTES,
            max_single_get_size=WINDOW_BYTES,
        )
        yield Container(client=client, session=session, is_encrypted=access.is_encrypted)


def _settings(config: AzureStoreConfig) -> _Settings:
    return _Settings(access_of(config), Network(config))


def _connections(config: AzureStoreConfig, tls: ssl.SSLContext | bool) -> aiohttp.ClientSession:
    limits = config.timeout  # the whole attempt is bounded by the store's limits
    timeout = aiohttp.ClientTimeout(total=None, connect=limits.connect, sock_read=limits.read)
    return open_session(timeout=timeout, tls=tls)


def _default_credential(
    config: AzureStoreConfig, network: Network, connections: aiohttp.ClientSession
) -> AbstractAsyncContextManager[Any]:
    try:
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415  # an extra
    except ImportError as exc:
        raise AuthError(
            f"{config.location}: no credential is configured. Set account_key, sas_token or "
            "connection_string of the store, or AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or "
            "AZURE_STORAGE_CONNECTION_STRING; for managed identities and `az login`: "
            "pip install 'bronze-engine[azure-identity]'"
        ) from exc
    # Tokens come over https; the metadata service of a machine does not, nor by a proxy.
    proxy = network.proxy("https", _TOKENS)
    return DefaultAzureCredential(
        transport=AioHttpTransport(session=connections, session_owner=False),
        proxies={} if proxy is None else {"https": proxy},
    )
