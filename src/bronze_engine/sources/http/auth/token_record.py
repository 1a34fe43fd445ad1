"""What a token store holds of one API: its tokens, and who is renewing them."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from datetime import datetime
from typing import Final

import msgspec

from bronze_engine.errors import AuthError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.process import Process, pid_space

__all__ = ["Claim", "Record", "first_record", "read_record"]

_FORMAT_VERSION: Final = 1


class Claim(Process, frozen=True, kw_only=True):
    """One process that is exchanging the refresh token at this moment."""

    nonce: str

    @classmethod
    def new(cls) -> Claim:
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            space=pid_space(),
            nonce=secrets.token_hex(8),
        )


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The object in the store."""

    format_version: int = _FORMAT_VERSION
    seed: str
    """SHA-256 of the configured refresh token that these tokens descend from."""
    refresh_token: str
    access_token: str | None = None
    expires_at: datetime | None = None
    claim: Claim | None = None

    def __repr__(self) -> str:
        return f"Record(expires_at={self.expires_at!r}, claim={self.claim!r})"

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


def first_record(refresh_token: str) -> Record:
    """Before anything was exchanged."""
    return Record(
        seed=hashlib.sha256(refresh_token.encode()).hexdigest(), refresh_token=refresh_token
    )


def read_record(body: bytes, where: str) -> Record:
    """Raises AuthError for what no version of ours has written."""
    try:
        record = msgspec.json.decode(body, type=Record)
    except DAMAGED:
        raise AuthError(
            f"{where} holds something else than tokens; name another token_store, or remove it "
            "and write a new refresh_token"
        ) from None
    if record.format_version > _FORMAT_VERSION:
        raise AuthError(f"{where} was written by a newer bronze-engine; upgrade this one")
    return record
