"""The contracts. Read these pages first: they are the map of the engine.

Data flows one way:

    Source.slices -> Source.read(slice) -> blocks -> Decoder.decode -> batches
        -> Encoder.write -> parts -> Upload.part -> Upload.seal -> staged files
            -> Store.complete -> Store.put(manifest)       (publish: the commit)

Sources and stores do I/O on the event loop and send computing to workers. Decoders and
encoders are synchronous, do no I/O, run in workers, and are tested without a loop.

    reading    a source, its slices, and what one run asks of it
    decoding   blocks become batches
    landing    rules judge their rows, encoders write files of them
    storing    files are staged, completed, and read again
    tables     other formats' tables over what is committed
    auths      how requests to an API prove who they are
    lent       what an engine lends to all of them
"""

from __future__ import annotations

from bronze_engine.contracts.auths import (
    Auth,
    AuthResources,
    AuthType,
    Credential,
    Exchange,
    Outgoing,
    Sign,
    Signature,
    TokenAnswer,
    TokenRequest,
    TokenStore,
)
from bronze_engine.contracts.decoding import Decoded, Decoder, Refuse, TextCaster, TextTypes
from bronze_engine.contracts.landing import Encoder, Rule
from bronze_engine.contracts.lent import Hide, Hook, Limits, OpenAuth, Share
from bronze_engine.contracts.reading import (
    Emit,
    Preview,
    ReadsFiles,
    Replayable,
    Replayer,
    Request,
    Resources,
    Source,
    SourceType,
)
from bronze_engine.contracts.storing import (
    Locking,
    Store,
    StoreResources,
    StoreType,
    Telling,
    Upload,
)
from bronze_engine.contracts.tables import LakeTable, LakeTableType, TablePlace

__all__ = [
    "Auth",
    "AuthResources",
    "AuthType",
    "Credential",
    "Decoded",
    "Decoder",
    "Emit",
    "Encoder",
    "Exchange",
    "Hide",
    "Hook",
    "LakeTable",
    "LakeTableType",
    "Limits",
    "Locking",
    "OpenAuth",
    "Outgoing",
    "Preview",
    "ReadsFiles",
    "Refuse",
    "Replayable",
    "Replayer",
    "Request",
    "Resources",
    "Rule",
    "Share",
    "Sign",
    "Signature",
    "Source",
    "SourceType",
    "Store",
    "StoreResources",
    "StoreType",
    "TablePlace",
    "Telling",
    "TextCaster",
    "TextTypes",
    "TokenAnswer",
    "TokenRequest",
    "TokenStore",
    "Upload",
]
