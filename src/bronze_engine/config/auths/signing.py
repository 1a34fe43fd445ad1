"""[apis.NAME.auth] that sign each request by itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from bronze_engine.config.units import Secret

__all__ = ["SIGN_VALUES", "HmacAuth", "SigV4Auth"]

SIGN_VALUES = frozenset(
    {"method", "host", "path", "query", "target", "url", "body", "body_hash"}
    | {"key", "timestamp", "nonce"}
)
"""What the templates of [auth] type = "hmac" may use; headers and params `signature` too."""


class HmacAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="hmac"):
    """A keyed hash over what is sent, as exchanges and payment APIs ask for it.

    Templates use {method} (GET), {host}, {path}, {query} (without `?`), {target} (path and
    query), {url}, {body}, {body_hash} (by `algorithm` and `encoding`), {key}, {timestamp} and
    {nonce}; headers and params also {signature}.
    """

    key: Secret = Secret("")
    """The public half, where there is one."""
    secret: Secret
    """The key of the hash; never sent."""
    secret_encoding: Literal["text", "base64", "hex"] = "text"  # noqa: S105  # no secret
    """How the bytes of `secret` are written."""
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    """The hash, of the signature and of body_hash."""
    encoding: Literal["hex", "base64"] = "hex"
    """Of the signature and of body_hash."""
    sign: str
    """What is signed: "{timestamp}{method}{target}{body}"."""
    timestamp: Literal["epoch", "epoch_ms", "iso", "http"] = "epoch"
    """The form of {timestamp}: seconds, milliseconds, 2025-01-15T10:00:00Z, or HTTP's."""
    headers: dict[str, str] = {}
    """Templates."""
    params: dict[str, str] = {}
    """Templates of parameters behind the request's own. Those without {signature} are part of
    {query} when it is signed."""


class SigV4Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sigv4"):
    """AWS Signature Version 4: API Gateway, OpenSearch, and AWS's own services."""

    service: str
    """execute-api, es, aoss, s3, ..."""
    region: str
    """The region of the service: eu-central-1."""
    access_key_id: str | None = None
    """Where unset, the SDK's chain: AWS_* variables, ~/.aws, the role of the machine."""
    secret_access_key: Secret | None = None
    """Of access_key_id; the two go together."""
    session_token: Secret | None = None
    """Of temporary keys; beside those two."""
    profile: str | None = None
    """Of ~/.aws/config, for the chain."""
