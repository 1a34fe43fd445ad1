"""What the `token_store` of an API names, and where it must not lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.auths.oauth2 import OAuth2RefreshTokenAuth
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.plugins import TOKEN_STORES, plugin_names
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.stores.place import lies_within
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.model.nearest import nearest

__all__ = ["token_faults", "with_token_place"]

Place = Callable[[str, KeyPath, list[Fault]], object]
"""Resolves a store's name or URL, adding the faults that it has."""


def with_token_place(
    api: Api,
    name: str,
    stores: Collection[str],
    place: Place,
    absolute: Callable[[str], Path],
    faults: list[Fault],
) -> Api:
    """An API whose token_store, where it has one, is an absolute file, a store's URL or name,
    or the name of an entry point. A directory of [stores] becomes a file in it."""
    auth = api.auth
    if not isinstance(auth, OAuth2RefreshTokenAuth):
        return api
    text, path = auth.token_store, ("apis", name, "auth", "token_store")
    if text in stores or "://" in text:
        store = place(text, path, faults)
        if isinstance(store, LocalStoreConfig):
            text = f"{store.path}/{name}.json"
    elif "/" in text or text.startswith(("~", ".")) or text.endswith(".json"):
        text = str(absolute(text))
    elif text not in (plugins := set(plugin_names(TOKEN_STORES))):
        hint = nearest(text, {*stores, *plugins})
        faults.append(
            Fault(
                path,
                f'"{text}" is no file, no store, and no entry point of {TOKEN_STORES}; {hint} '
                f'(a file is "./{text}.json")',
            )
        )
    return msgspec.structs.replace(api, auth=msgspec.structs.replace(auth, token_store=text))


def token_faults(
    pipeline: Pipeline, stores: Collection[str], place: Place, targets: Collection[str]
) -> Iterator[Fault]:
    """Faults where the tokens of a pipeline's API would lie within a lake: what it lands in, the
    engine's state, or what any other pipeline lands in (`targets`, as they are written)."""
    source = pipeline.source
    if not isinstance(source, HttpSourceConfig):
        return
    auth = source.api.auth
    if not isinstance(auth, OAuth2RefreshTokenAuth):
        return
    path = ("apis", source.api.name, "auth", "token_store")
    tokens: object = None
    if auth.token_store.startswith("/"):
        tokens = LocalStoreConfig(path=auth.token_store)
    elif auth.token_store in stores or "://" in auth.token_store:
        tokens = place(auth.token_store, path, [])
    if not isinstance(tokens, StoreConfig):
        return
    # Those of other pipelines may need variables that are missing: then they are left out.
    others = [lake for text in targets if isinstance(lake := place(text, path, []), StoreConfig)]
    for lake in dict.fromkeys((pipeline.target, pipeline.state, *others)):
        if lake is not None and lies_within(tokens, lake):
            yield Fault(
                path,
                f"lies within the lake {lake.location}, which others read; name a file or a "
                "store of its own",
            )
