"""The proxies and certificates that an API's requests go by."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bronze_engine.errors import ConfigError
from bronze_engine.sources.http.wire.proxy import proxy_for
from bronze_engine.sources.http.wire.tls import tls_for
from tests.unit.http.shop import api

pytestmark = pytest.mark.unit


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_proxies_of_the_environment(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("HTTPS_PROXY", "http://secure:1")
    clean_environment.setenv("http_proxy", "plain:2")
    clean_environment.setenv("NO_PROXY", "inside.example,other.example:8443")
    proxy = proxy_for("env", "shop")
    assert proxy(httpx.URL("https://api.example.com")) == "http://secure:1"
    assert proxy(httpx.URL("http://api.example.com")) == "http://plain:2"
    assert proxy(httpx.URL("https://api.inside.example")) is None
    assert proxy(httpx.URL("https://other.example:8443")) is None
    assert proxy(httpx.URL("https://other.example")) == "http://secure:1"
    assert proxy_for("none", "shop")(httpx.URL("https://api.example.com")) is None


def test_a_proxy_for_everything(clean_environment: pytest.MonkeyPatch) -> None:
    assert proxy_for("env", "shop")(httpx.URL("http://h")) is None
    clean_environment.setenv("ALL_PROXY", "http://all:3")
    assert proxy_for("env", "shop")(httpx.URL("http://h")) == "http://all:3"
    assert proxy_for("http://fixed:4", "shop")(httpx.URL("http://h")) == "http://fixed:4"


def test_a_proxy_that_is_none(clean_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"apis\.shop\.proxy is no http or https URL"):
        proxy_for("socks5://user:canary@h:1", "shop")
    clean_environment.setenv("HTTPS_PROXY", "socks5://h:1")
    with pytest.raises(ConfigError, match="HTTPS_PROXY is no http"):
        proxy_for("env", "shop")


def test_certificate_files_that_are_none(tmp_path: Any) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for fields in (
        {"ca_file": str(tmp_path / "absent.pem")},
        {"ca_file": str(empty)},
        {"client_cert": str(empty)},
        {"client_key": str(empty)},
    ):
        with pytest.raises(ConfigError, match=f"apis.shop.{next(iter(fields))}"):
            tls_for(api(**fields), "https://h:443")
