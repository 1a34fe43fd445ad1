"""Manifests that were once written are read for ever, to the last field.

A file here is never edited: a changed format gets a new version and a new file.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bronze_engine.model.manifest import FORMAT_VERSION
from bronze_engine.model.manifest_json import decode_manifest, encode_manifest

pytestmark = pytest.mark.unit

GOLDEN = sorted((Path(__file__).parent / "golden").glob("manifest-*.json"))


def test_every_format_version_has_its_file() -> None:
    assert [path.stem for path in GOLDEN] == [
        f"manifest-{version}" for version in range(1, FORMAT_VERSION + 1)
    ]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_field_that_was_written_is_read(path: Path) -> None:
    body = path.read_bytes()
    manifest = decode_manifest(body, path.name)
    written = msgspec.json.decode(encode_manifest(manifest))
    for key, value in msgspec.json.decode(body).items():
        assert written[key] == value


def test_the_newest_format_is_written_as_it_was() -> None:
    body = GOLDEN[-1].read_bytes()
    assert encode_manifest(decode_manifest(body, "golden")) == body
