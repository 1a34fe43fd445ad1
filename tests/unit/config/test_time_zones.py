"""What a system without a time zone database is told."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import load

pytestmark = pytest.mark.unit


@pytest.fixture
def bare_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in an image without the package tzdata, the system's or pip's."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("bare_system")
def test_a_system_without_time_zones_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "")
    assert str(caught.value) == (
        'CFG001 pipelines.toml: engine.timezone: "UTC" is no time zone; this system knows none; '
        "install the system's package tzdata (apt-get install tzdata, apk add tzdata, microdnf "
        "reinstall tzdata); that of pip is not enough"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Arrow asks Windows there")
@pytest.mark.usefixtures("bare_system")
def test_zones_that_python_alone_knows_are_refused(tmp_path: Path) -> None:
    """pip's tzdata is not read by Arrow: whatever showed a time ended in a traceback."""
    with Path("/usr/share/zoneinfo/UTC").open("rb") as file:
        own = ZoneInfo.from_file(file, "UTC")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bronze_engine.config.rules.schema.ZoneInfo", lambda _: own)
        with pytest.raises(ConfigError, match=r'"UTC" is known to Python alone, and Arrow needs'):
            load(tmp_path, "")
