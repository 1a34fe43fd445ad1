"""`type = "hmac"`: each request is signed with a keyed hash over what is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final, final
from urllib.parse import quote, urlsplit

from bronze_engine.clock import Clock
from bronze_engine.config.auths.signing import HmacAuth
from bronze_engine.contracts import AuthResources, Credential, Exchange, Outgoing, Signature
from bronze_engine.sources.http.auth.reread import reread

__all__ = ["KeyedHash", "signature_of"]

_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")


@final
class KeyedHash:
    """Signs with the key that the table holds; one of a file is read anew after a 401."""

    config = HmacAuth

    def __init__(self, config: HmacAuth, resources: AuthResources) -> None:
        self._config = config
        self._resources = resources

    async def credential(self, refused: Credential | None, _: Exchange, /) -> Credential:
        if refused is not None:
            renewed = await self._resources.workers.run(reread, self._config)
            if renewed == self._config:
                return refused
            self._config = renewed
        auth, clock = self._config, self._resources.clock
        return Credential(
            sign=lambda outgoing: signature_of(auth, outgoing, clock, secrets.token_hex(16)),
            secrets=tuple(filter(None, (auth.secret.reveal(), auth.key.reveal()))),
        )


def signature_of(auth: HmacAuth, outgoing: Outgoing, clock: Clock, nonce: str) -> Signature:
    """What signs one attempt. `{query}` and its kin hold the added parameters that need no
    signature; the others follow."""
    parts = urlsplit(outgoing.url)
    values = {
        "method": outgoing.method,
        "host": outgoing.host,
        "path": parts.path or "/",
        "body": outgoing.body.decode("utf-8", "surrogateescape"),
        "body_hash": _encoded(auth, hashlib.new(auth.algorithm, outgoing.body).digest()),
        "key": auth.key.reveal(),
        "timestamp": _timestamp(auth, clock.now()),
        "nonce": nonce,
    }
    plain = {name: text for name, text in auth.params.items() if "{signature}" not in text}
    added = _query(plain, values)
    query = "&".join(filter(None, (parts.query, added)))
    values["query"] = query
    values["target"] = f"{values['path']}?{query}" if query else values["path"]
    values["url"] = f"{parts.scheme}://{outgoing.host}{values['target']}"
    message = _rendered(auth.sign, values).encode("utf-8", "surrogateescape")
    values["signature"] = _encoded(auth, hmac.digest(_key(auth), message, auth.algorithm))
    last = {name: text for name, text in auth.params.items() if name not in plain}
    return Signature(
        headers={name: _rendered(text, values) for name, text in auth.headers.items()},
        query="&".join(filter(None, (added, _query(last, values)))),
    )


def _query(params: Mapping[str, str], values: Mapping[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='')}={quote(_rendered(text, values), safe='')}"
        for name, text in params.items()
    )


def _rendered(template: str, values: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else values[match[1]]

    return _PLACEHOLDER.sub(replace, template)


def _key(auth: HmacAuth) -> bytes:
    text = auth.secret.reveal()
    match auth.secret_encoding:
        case "base64":
            return base64.b64decode(text)
        case "hex":
            return bytes.fromhex(text)
        case _:
            return text.encode()


def _encoded(auth: HmacAuth, digest: bytes) -> str:
    return digest.hex() if auth.encoding == "hex" else base64.b64encode(digest).decode()


def _timestamp(auth: HmacAuth, now: datetime) -> str:
    match auth.timestamp:
        case "epoch":
            return str(int(now.timestamp()))
        case "epoch_ms":
            return str(int(now.timestamp() * 1000))
        case "iso":
            return now.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "http":
            return format_datetime(now, usegmt=True)
