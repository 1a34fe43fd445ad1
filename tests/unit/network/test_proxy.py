from __future__ import annotations

import pytest

from bronze_engine.errors import ConfigError
from bronze_engine.network.proxy import proxy_choice

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_a_proxy_by_scheme_unless_its_host_is_excepted(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("HTTPS_PROXY", "secure:1")
    environment.setenv("ALL_PROXY", "http://me:word@any:2")
    environment.setenv("NO_PROXY", "inside.example,other.example:8443")
    choose = proxy_choice("env", "stores.lake.proxy")
    assert choose("https", "s3.example") == "http://secure:1"
    assert choose("http", "s3.example") == "http://me:word@any:2"
    assert choose("https", "s3.inside.example") is None
    assert choose("https", "other.example:8443") is None
    assert choose("https", "other.example") == "http://secure:1"


def test_without_any_variable_there_is_none() -> None:
    assert proxy_choice("env", "stores.lake.proxy")("https", "s3.example") is None


def test_none_and_a_url_ask_nobody(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://secure:1")
    environment.setenv("NO_PROXY", "*")
    assert proxy_choice("none", "stores.lake.proxy")("https", "s3.example") is None
    fixed = proxy_choice("https://fixed:3", "stores.lake.proxy")
    assert fixed("http", "s3.example") == "https://fixed:3"


@pytest.mark.parametrize(
    "url", ["socks5://canary@h:1", "http://h:canary", "http://[::1", "http://"]
)
def test_what_is_no_proxy_is_named_by_its_setting_and_not_shown(
    url: str, environment: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"stores\.lake\.proxy is no http or https URL") as said:
        proxy_choice(url, "stores.lake.proxy")
    assert "canary" not in said.value.message
    environment.setenv("HTTP_PROXY", url)
    with pytest.raises(ConfigError, match="HTTP_PROXY is no http"):
        proxy_choice("env", "stores.lake.proxy")
