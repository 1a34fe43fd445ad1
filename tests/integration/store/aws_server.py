"""A server that answers as much of S3, STS and the metadata services as signing needs.

It checks no signature: the tests look at who signed what.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.store.s3.client import open_client
from bronze_engine.workers import Workers
from tests.integration.http_server import Seen, Server, answer, serve

__all__ = ["Aws", "Signed", "aws_server", "client_of", "home"]

_SIGNED = re.compile(r"Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request")
_XML = {"Content-Type": "text/xml"}


class Signed:
    """One request, with what its signature says."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        found = _SIGNED.search(seen.headers.get("authorization", ""))
        self.key, self.region, self.service = found.groups() if found else ("", "", "")
        self.token = seen.headers.get("x-amz-security-token")
        self.form = {
            name: values[0] for name, values in parse_qs(seen.body.decode("latin-1")).items()
        }

    @property
    def is_credential(self) -> bool:
        """Asks for credentials, not for objects."""
        return self.service != "s3" and "x-amz-content-sha256" not in self.seen.headers


class Aws:
    """What the server answers, and what it was asked. Change the fields to make it refuse."""

    def __init__(self) -> None:
        self.expired: set[str] = set()
        """Access keys that S3 no longer takes."""
        self.lifetime = timedelta(hours=12)
        """Of the credentials that are given out."""
        self.refusal: bytes | None = None
        """The answer to requests for credentials, in place of any."""
        self.given = 0
        self.signed: list[Signed] = []
        self.server: Server

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def objects(self) -> list[Signed]:
        return [each for each in self.signed if not each.is_credential]

    @property
    def credentials(self) -> list[Signed]:
        return [each for each in self.signed if each.is_credential]

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        signed = Signed(seen)
        self.signed.append(signed)
        if not signed.is_credential:
            return self._object(signed)
        if self.refusal is not None:
            return self.refusal
        return self._credentials(signed)

    def _object(self, signed: Signed) -> bytes:
        if signed.key in self.expired:
            if signed.seen.method == "HEAD":
                return answer(body=b"", status=400)
            return fault(400, "ExpiredToken")
        if signed.seen.method == "GET":
            return answer(body=b"found", headers={"ETag": '"e"'})
        return answer(body=b"", headers={"ETag": '"e"'})

    def _credentials(self, signed: Signed) -> bytes:
        path = signed.seen.path
        if path == "/latest/api/token":
            return answer(body=b"imds-token")
        if path == "/latest/meta-data/iam/security-credentials/":
            return answer(body=b"the-role")
        self.given += 1
        key = f"GIVEN{self.given}"
        until = (datetime.now(UTC) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        if path == "/federation/credentials":
            milliseconds = int((datetime.now(UTC) + self.lifetime).timestamp() * 1000)
            role = {"accessKeyId": key, "secretAccessKey": "s", "sessionToken": f"token-{key}"}
            return answer({"roleCredentials": {**role, "expiration": milliseconds}})
        if signed.seen.method == "GET":
            names = {"AccessKeyId": key, "SecretAccessKey": "s", "Token": f"token-{key}"}
            return answer({**names, "Expiration": until, "Code": "Success"})
        action = signed.form["Action"]
        return answer(
            body=f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
            <{action}Result><Credentials><AccessKeyId>{key}</AccessKeyId>
            <SecretAccessKey>s</SecretAccessKey><SessionToken>token-{key}</SessionToken>
            <Expiration>{until}</Expiration></Credentials></{action}Result>
            </{action}Response>""".encode(),
            headers=_XML,
        )


def fault(status: int, code: str) -> bytes:
    """An error of S3."""
    body = f"<Error><Code>{code}</Code><Message>said</Message></Error>".encode()
    return answer(body=body, status=status, headers=_XML)


def sts_fault(status: int, code: str) -> bytes:
    body = (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>said</Message></Error></ErrorResponse>"
    )
    return answer(body=body.encode(), status=status, headers=_XML)


@asynccontextmanager
async def aws_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Aws]:
    aws = Aws()
    async with serve(aws, tls) as server:
        aws.server = server
        yield aws


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no variable of AWS or of proxies; the instance has no metadata."""
    for name in os.environ:
        if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / ".aws").mkdir()
    return tmp_path


@asynccontextmanager
async def client_of(url: str | None, **fields: Any) -> AsyncIterator[Any]:
    """A client of a server of the tests, or of Amazon; without any credential."""
    settings: dict[str, Any] = {"url": "s3://lake/bronze", "endpoint_url": url, "proxy": "none"}
    with Workers(2) as workers:
        async with open_client(S3StoreConfig(**{**settings, **fields}), workers) as client:
            yield client
