"""Auths by the `type` of an API's [auth], and where their tokens are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from bronze_engine.config.load import Config
from bronze_engine.config.plugins import AUTHS, TOKEN_STORES, plugin
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Auth, AuthResources, AuthType, Store, TokenStore
from bronze_engine.errors import ConfigError
from bronze_engine.workers import Workers

__all__ = ["auth_type", "open_auth", "token_store"]

_WHOLE: Final = frozenset({"bearer", "basic", "api_key"})
"""Auths whose table holds the credential whole: there is nothing to open."""
_AUTHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "oauth2_client_credentials": "client_credentials:ClientCredentials",
        "oauth2_refresh_token": "refresh_token:RefreshToken",
        "jwt_bearer": "jwt_bearer:JwtBearer",
        "login": "login:Login",
        "hmac": "keyed_hash:KeyedHash",
        "sigv4": "sigv4:SigV4",
    }
)
"""Modules of sources.http.auth and the types in them."""


async def open_auth(resources: AuthResources) -> Auth | None:
    """What proves who we are to an API; None where its table holds the credential whole.

    Raises ConfigError for a key that is none, and for an entry point that fails.
    """
    config = resources.api.auth
    tag = None if config is None else tag_of(config)
    if tag is None or tag in _WHOLE:
        return None
    # In a worker: cryptography and botocore take their time to import.
    kind = await resources.workers.run(auth_type, tag)
    return kind(config, resources)


def auth_type(tag: str) -> AuthType:
    """The auth type for `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in _AUTHS:
        module, _, name = _AUTHS[tag].partition(":")
        built_in: AuthType = getattr(
            import_module(f"bronze_engine.sources.http.auth.{module}"), name
        )
        return built_in
    found: AuthType | None = plugin(AUTHS, tag)
    if found is None:
        raise ConfigError(f"nothing provides an auth of type = {tag!r}")
    return found


async def token_store(
    text: str,
    config: Config,
    workers: Workers,
    open_store: Callable[[StoreConfig], Awaitable[Store]],
) -> TokenStore:
    """What a `token_store` names that is no file: a store, or an entry point's.

    Raises ConfigError where it names neither.
    """
    if "://" in text or text in config.store_names:
        return await open_store(config.place(text))
    make = await workers.run(plugin, TOKEN_STORES, text)
    if make is None:
        raise ConfigError(f"nothing provides a token_store {text!r}")
    made: TokenStore = make()
    return made
