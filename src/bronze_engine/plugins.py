"""All that a source, a store or an auth of a third party is written with.

    class FeedConfig(CustomSource, frozen=True, kw_only=True, tag="feed"):
        path: str

    class FeedSource:
        config = FeedConfig

        def open(self, config, request, resources): ...
        def floor_bytes(self, config): ...
        def slices_at_once(self, config): ...

    [project.entry-points."bronze_engine.sources"]
    feed = "my_package:FeedSource"

The class is made without arguments, and `config` is the Struct of its table: `type = "feed"` in
a pipeline's source is then read like every other. Stores (`bronze_engine.stores`, StoreType and
CustomStore) and auths (`bronze_engine.auths`, see bronze_engine.contracts.auths) go the same way. A
service that has its own hands them over instead: `load_config(path, structs=[FeedConfig])` and
`open_engine(config, sources={"feed": FeedSource()})`.

`bronze_engine.testing` holds the checks that every one of them must pass.
"""

from __future__ import annotations

from bronze_engine.clock import Clock
from bronze_engine.config.api import Api, CircuitBreaker, RateLimit, Retry, Timeout
from bronze_engine.config.auths.auth import CustomAuth
from bronze_engine.config.connection import Connection
from bronze_engine.config.source import CustomSource
from bronze_engine.config.stores.store import CustomStore, LocalStoreConfig, StoreConfig
from bronze_engine.config.units import ByteSize, Duration, Secret
from bronze_engine.contracts import (
    Auth,
    AuthResources,
    AuthType,
    Credential,
    Decoded,
    Decoder,
    Emit,
    Exchange,
    Limits,
    Locking,
    Outgoing,
    Preview,
    Request,
    Resources,
    Signature,
    Source,
    SourceType,
    Store,
    StoreResources,
    StoreType,
    TokenAnswer,
    TokenRequest,
    TokenStore,
    Upload,
)
from bronze_engine.errors import Conflict, OutcomeUnknown, SliceLost, SnapshotLost
from bronze_engine.flow import Lane, ordered
from bronze_engine.limits.transient import Transient
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import (
    ABSENT,
    ANY,
    DataFile,
    Expect,
    ObjectInfo,
    Part,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.model.slice import Slice
from bronze_engine.workers import Workers

__all__ = [
    "ABSENT",
    "ANY",
    "Api",
    "Auth",
    "AuthResources",
    "AuthType",
    "Block",
    "ByteSize",
    "CircuitBreaker",
    "Clock",
    "Conflict",
    "Connection",
    "Credential",
    "CustomAuth",
    "CustomSource",
    "CustomStore",
    "DataFile",
    "Decoded",
    "Decoder",
    "Duration",
    "Emit",
    "Exchange",
    "Expect",
    "Lane",
    "Layout",
    "Limits",
    "LocalStoreConfig",
    "Locking",
    "ObjectInfo",
    "OutcomeUnknown",
    "Outgoing",
    "Part",
    "Preview",
    "RateLimit",
    "Reject",
    "Request",
    "Resources",
    "Retry",
    "Secret",
    "Signature",
    "Slice",
    "SliceLost",
    "SnapshotLost",
    "Source",
    "SourceType",
    "Staged",
    "Store",
    "StoreConfig",
    "StoreResources",
    "StoreType",
    "StoredObject",
    "Timeout",
    "TokenAnswer",
    "TokenRequest",
    "TokenStore",
    "Transient",
    "Upload",
    "Version",
    "Workers",
    "ordered",
]
