"""S3 that keeps what lands: the tests' own server, as a child process.

It verifies checksums and conditions as Amazon's reference has them.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from benchmarks.servers.process import serve

__all__ = ["BUCKET", "S3"]

BUCKET: Final = "bench"


class S3:
    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[S3]:
        with serve("tests.integration.s3_server") as url:
            yield cls(url)

    @property
    def store(self) -> dict[str, str]:
        """The keys of a [stores.NAME] that lands there; its url is the bucket's."""
        return {
            "url": f"s3://{BUCKET}",
            "endpoint_url": self.url,
            "region": "us-east-1",
            "access_key_id": "key",
            "secret_access_key": "secret",
        }

    def take(self, prefix: str, folder: Path) -> None:
        """Move all objects below a prefix into a folder, with the rest of their keys as paths."""
        while keys := self._keys(prefix):
            for key in keys:
                url = f"{self.url}/{BUCKET}/{quote(key)}"
                with urllib.request.urlopen(url) as answer:  # noqa: S310  # loopback
                    body = answer.read()
                path = folder / key.removeprefix(prefix).lstrip("/")
                if not key.endswith("/"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(body)
                request = urllib.request.Request(url, method="DELETE")  # noqa: S310
                urllib.request.urlopen(request).close()  # noqa: S310

    def _keys(self, prefix: str) -> list[str]:
        """Of the first objects, a thousand at the most."""
        url = f"{self.url}/{BUCKET}?list-type=2&prefix={quote(prefix)}"
        with urllib.request.urlopen(url) as answer:  # noqa: S310  # loopback
            root = ET.fromstring(answer.read())  # noqa: S314  # a server of ours
        return [each.text or "" for each in root.iter() if each.tag.endswith("}Key")]
