"""Signature version 4 as a server checks it, over what has arrived rather than what was meant.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from tests.integration.s3_objects import S3Error

__all__ = ["check_signature"]

_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def check_signature(request: web.Request, body: bytes, keys: Mapping[str, str]) -> None:
    """Raise S3Error where the request was not signed by one of `keys`; without any, pass."""
    if not keys:
        return
    match = _HEADER.fullmatch(request.headers.get("Authorization", ""))
    if match is None or match["key"] not in keys:
        raise S3Error(403, "InvalidAccessKeyId")
    stated = request.headers["x-amz-content-sha256"]
    if stated not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        raise S3Error(400, "XAmzContentSHA256Mismatch")
    path, _, query = request.raw_path.partition("?")
    pairs = sorted(
        (name, value) for name, _, value in (each.partition("=") for each in query.split("&"))
    )
    names = match["names"].split(";")
    canonical = "\n".join(
        [
            request.method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs if name),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            match["names"],
            stated,
        ]
    )
    instant = request.headers["x-amz-date"]
    scope = match["scope"]
    told = "\n".join(
        ["AWS4-HMAC-SHA256", instant, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{keys[match['key']]}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    if hmac.digest(key, told.encode(), "sha256").hex() != match["signature"]:
        raise S3Error(403, "SignatureDoesNotMatch")
