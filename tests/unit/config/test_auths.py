"""[apis.NAME.auth]: every kind with its faults, the token store's place, third parties' own."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bronze_engine.config.auths.oauth2 import OAuth2RefreshTokenAuth
from bronze_engine.config.loading.describe import json_schema
from bronze_engine.config.loading.sensitive import of_auth
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, http_of, load

pytestmark = pytest.mark.unit

CLIENT = {
    "type": "oauth2_client_credentials",
    "token_url": "https://login.example/token",
    "client_id": "me",
    "client_secret": "secret",
}
REFRESH = {
    **CLIENT,
    "type": "oauth2_refresh_token",
    "refresh_token": "seed",
    "token_store": "./tokens/shop.json",
}
JWT = {"type": "jwt_bearer", "private_key": "key", "issuer": "me"}
LOGIN = {"type": "login", "path": "/login"}
HMAC = {"type": "hmac", "secret": "s", "sign": "{body}", "headers": {"X-Sign": "{signature}"}}
SIGV4 = {"type": "sigv4", "service": "es", "region": "eu-west-1"}
KEYS = {"access_key_id": "A", "secret_access_key": "s"}


def written(table: Mapping[str, object]) -> str:
    lines = []
    for key, value in table.items():
        if isinstance(value, dict):
            pairs = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())
            lines.append(f"{key} = {{ {pairs} }}")
        elif value is not None:
            lines.append(f"{key} = {json.dumps(value)}")
    return API + "[apis.shop.auth]\n" + "\n".join(lines) + "\n" + ORDERS


@pytest.mark.parametrize("table", [CLIENT, REFRESH, JWT, LOGIN, HMAC, SIGV4, {**SIGV4, **KEYS}])
def test_the_least_of_each_kind_is_valid(table: Mapping[str, object], tmp_path: Path) -> None:
    assert load(tmp_path, written(table)).check_all() == []


FAULTS: list[tuple[Mapping[str, object], Mapping[str, object], str]] = [
    (CLIENT, {"token_url": "/token"}, "auth.token_url: is no URL"),
    (CLIENT, {"token_url": "ftp://x/token"}, "auth.token_url: is no URL"),
    (CLIENT, {"token_url": "https://me:pw@x/token"}, "token_url: has a user or password in it"),
    (CLIENT, {"token_url": "https://x/token#a"}, "token_url: has a fragment"),
    (CLIENT, {"token_url": None}, "token_url: missing"),
    (CLIENT, {"client_secret": ""}, "client_secret: is empty"),
    (CLIENT, {"client_secret": "x\n"}, "client_secret: begins or ends with a space"),
    (CLIENT, {"params": {"scope": "x"}}, "params.scope: is a field that we set"),
    (CLIENT, {"name": "a b"}, "auth.name: is no name of a header"),
    (CLIENT, {"prefix": "a\n"}, "auth.prefix: holds a control character"),
    (CLIENT, {"credentials_in": "query"}, 'credentials_in: expected "body" or "header"'),
    (CLIENT, {"scop": "x"}, 'auth.scop: unknown key; did you mean "scope"?'),
    (REFRESH, {"refresh_token": ""}, "refresh_token: is empty"),
    (REFRESH, {"token_store": None}, "token_store: missing"),
    (
        REFRESH,
        {"client_secret": None, "credentials_in": "header"},
        "credentials_in: has no client_secret",
    ),
    (REFRESH, {"params": {"grant_type": "x"}}, "params.grant_type: is a field that we set"),
    (REFRESH, {"token_store": "tokens"}, '"tokens" is no file, no store'),
    (JWT, {"private_key": " "}, "private_key: is empty"),
    (JWT, {"lifetime": "5s"}, "lifetime: lies between 10 s and 24 h"),
    (JWT, {"lifetime": "2d"}, "lifetime: lies between 10 s and 24 h"),
    (JWT, {"claims": {"aud": "x"}}, "claims.aud: is a claim that we set; use audience"),
    (JWT, {"claims": {"exp": "x"}}, "claims.exp: is a claim that we set; use lifetime"),
    (JWT, {"scope": "x"}, "auth.scope: is sent to token_url, and there is none"),
    (JWT, {"params": {"a": "x"}}, "auth.params: is sent to token_url, and there is none"),
    (JWT, {"header": {"kid": "x"}}, "header.kid: is a member that we set; use algorithm and"),
    (JWT, {"sent_as": "client_assertion"}, "sent_as: is how it is sent to token_url, and there"),
    (JWT, {"token_url": "https://x/t", "params": {"client_id": "x"}}, "client_id: is a field that"),
    (JWT, {"algorithm": "none"}, 'known are "ES256", "ES384", "ES512"'),
    ({"type": "bearer"}, {"token": "Bearer t"}, "auth.token: begins with `Bearer`, which is sent"),
    (LOGIN, {"path": "https://x/login"}, "auth.path: is joined to base_url"),
    (LOGIN, {"path": "/login?a=b"}, "auth.path: holds `?` or `#`"),
    (LOGIN, {"method": "GET", "json": {"a": "b"}}, "auth.json: is a body, and GET has none"),
    (LOGIN, {"params": {"a": "b"}, "json": {"a": "b"}}, "auth.params: is a second body"),
    (LOGIN, {"token_path": "a..b"}, "token_path: is no dotted path"),
    (LOGIN, {"expires_path": ""}, "expires_path: is no dotted path"),
    (LOGIN, {"location": "query"}, "auth.name: missing; it is the parameter"),
    (LOGIN, {"token_header": "a b"}, "token_header: is no name of a header"),
    (LOGIN, {"token_path": "a", "token_header": "b"}, "token_header: is a second token beside"),
    (LOGIN, {"cookies": True, "location": "query"}, "auth.location: is that of a token, and only"),
    (HMAC, {"secret": ""}, "secret: is empty"),
    (HMAC, {"secret": "%", "secret_encoding": "base64"}, "secret: is no base64"),
    (HMAC, {"secret": "xyz", "secret_encoding": "hex"}, "secret: is no hex"),
    (HMAC, {"sign": "{boddy}"}, '{boddy} is no value; did you mean "body"?'),
    (HMAC, {"sign": "{signature}"}, "auth.sign: {signature} is no value"),
    (HMAC, {"sign": "{body"}, "auth.sign: has a single brace"),
    (HMAC, {"headers": {"X": "{body}"}}, "auth.headers: the signature is sent nowhere"),
    (HMAC, {"headers": {"a b": "{signature}"}}, "is no name of a header"),
    (HMAC, {"params": {"x": "{nope}"}}, "auth.params.x: {nope} is no value"),
    (HMAC, {"sign": "{key}"}, "auth.key: missing; a template uses {key}"),
    (SIGV4, {"region": " "}, "auth.region: is empty"),
    (SIGV4, {"access_key_id": "A"}, "secret_access_key: missing; the two go together"),
    (SIGV4, {"secret_access_key": "s"}, "access_key_id: missing; the two go together"),
    (SIGV4, {"session_token": "t"}, "session_token: belongs to keys"),
    (SIGV4, {**KEYS, "profile": "p"}, "auth.profile: is a second credential"),
]


@pytest.mark.parametrize(("table", "change", "says"), FAULTS)
def test_what_is_wrong_is_told_before_any_request(
    table: Mapping[str, object], change: Mapping[str, object], says: str, tmp_path: Path
) -> None:
    config = load(tmp_path, written({**table, **change}))
    with pytest.raises(ConfigError) as caught:
        config.pipeline("myteam.orders")
    assert says in str(caught.value)


@pytest.mark.parametrize("table", [CLIENT, REFRESH, JWT, LOGIN, SIGV4])
def test_a_header_that_an_auth_sends_is_not_set_twice(
    table: Mapping[str, object], tmp_path: Path
) -> None:
    text = written(table) + '[apis.shop.headers]\nauthorization = "x"\n'
    with pytest.raises(ConfigError, match=r"is what \[auth\] sends too"):
        load(tmp_path, text).api("shop")


def test_a_header_of_a_signature_is_not_set_twice(tmp_path: Path) -> None:
    text = written(HMAC) + '[apis.shop.headers]\nx-sign = "x"\n'
    with pytest.raises(ConfigError, match=r"is what \[auth\] sends too"):
        load(tmp_path, text).api("shop")


@pytest.mark.parametrize(
    "table",
    [
        {**LOGIN, "location": "query", "name": "k"},
        {**HMAC, "params": {"k": "{timestamp}"}},
    ],
)
def test_a_parameter_that_an_auth_sends_is_not_set_twice(
    table: Mapping[str, object], tmp_path: Path
) -> None:
    text = written(table) + 'params = { k = "x" }\n'
    with pytest.raises(ConfigError, match=r"is set twice: by source\.params and by the API's"):
        load(tmp_path, text).pipeline("myteam.orders")


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://login.example/token", True),
        ("http://127.0.0.1:1/token", False),
        ("https://x/token", False),
    ],
)
def test_secrets_that_go_in_clear_are_warned_of(
    url: str, warns: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load(tmp_path, written({**CLIENT, "token_url": url})).api("shop")
    assert ("token_url is http" in caplog.text) == warns


# The token store


def store_of(config_text: str, folder: Path, environ: dict[str, str] | None = None) -> str:
    auth = http_of(load(folder, config_text, environ=environ).pipeline("myteam.orders")).api.auth
    assert isinstance(auth, OAuth2RefreshTokenAuth)
    return auth.token_store


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("./tokens/shop.json", "{folder}/tokens/shop.json"),
        ("shop.json", "{folder}/shop.json"),
        ("/run/tokens", "/run/tokens"),
        ("~/shop", "/home/me/shop"),
        ("../shop", "{above}/shop"),
        ("s3://tokens/of/ours", "s3://tokens/of/ours"),
        ("vault", "vault"),
        ("safe", "{folder}/safe/shop.json"),
    ],
)
def test_a_token_store_is_a_file_or_a_store(text: str, place: str, tmp_path: Path) -> None:
    stores = '[stores.vault]\nurl = "s3://vault"\n[stores.safe]\npath = "safe"\n'
    found = store_of(
        written({**REFRESH, "token_store": text}) + stores, tmp_path, {"HOME": "/home/me"}
    )
    assert found == place.format(folder=tmp_path, above=tmp_path.parent)


LAKES = {
    "the target": ('[engine]\ntarget = "lake"\n', "./lake/tokens.json"),
    "deep within": ('[engine]\ntarget = "lake"\n', "lake/a/../b/tokens.json"),
    "a named store": (
        '[stores.here]\npath = "lake"\n[engine]\ntarget = "here"\n',
        "here",
    ),
    "the state": ('[engine]\ntarget = "lake"\nstate = "./st"\n', "./st/tokens.json"),
    "a prefix": ('[engine]\ntarget = "s3://bucket/lake"\n', "s3://bucket/lake/tokens"),
    "the same bucket": ('[engine]\ntarget = "s3://bucket"\n', "s3://bucket/tokens"),
    "azure": ('[engine]\ntarget = "az://tokens/lake"\n', "az://tokens/lake/t"),
}


@pytest.mark.parametrize("lake", LAKES)
def test_tokens_never_lie_within_a_lake(lake: str, tmp_path: Path) -> None:
    engine, place = LAKES[lake]
    environ = {"AZURE_STORAGE_ACCOUNT": "account1"}
    text = engine + written({**REFRESH, "token_store": place})
    with pytest.raises(ConfigError, match=r"apis\.shop\.auth\.token_store: lies within the lake"):
        load(tmp_path, text, environ=environ).pipeline("myteam.orders")


def test_tokens_never_lie_within_the_lake_of_another_pipeline(tmp_path: Path) -> None:
    text = written({**REFRESH, "token_store": "./other/tokens.json"})
    text += '[pipelines.myteam.more]\nextends = "myteam.orders"\ntarget = "other"\n'
    text += '[pipelines.myteam.hidden]\nextends = "myteam.orders"\ntarget = "${MISSING}"\n'
    with pytest.raises(ConfigError, match=r"token_store: lies within the lake .*/other"):
        load(tmp_path, text).pipeline("myteam.orders")


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("lake", "./lake-tokens/t.json"),
        ("s3://bucket/lake", "s3://bucket/lakes"),
        ("s3://bucket/lake", "s3://other/lake"),
        ("lake", "s3://bucket/lake"),
    ],
)
def test_tokens_beside_a_lake_are_fine(target: str, place: str, tmp_path: Path) -> None:
    text = f'[engine]\ntarget = "{target}"\n' + written({**REFRESH, "token_store": place})
    store_of(text, tmp_path)


# Third parties

PACKAGE = '''
from bronze_engine.config.auths.auth import CustomAuth
from bronze_engine.config.units import Secret


class VaultAuth(CustomAuth, frozen=True, kw_only=True, tag="{tag}"):
    """A token of the vault."""

    role: str
    """Whose token it is."""
    key: Secret


class Vault:
    config = VaultAuth


class NoAuth:
    config = dict


def tokens():
    return None
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with entry points, as `pip install` would leave it."""
    site = tmp_path / "site"
    folder = site / "vaulted-1.0.dist-info"
    folder.mkdir(parents=True)
    (site / "vaulted.py").write_text(PACKAGE.format(tag="vault"))
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: vaulted\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[bronze_engine.auths]\nvault = vaulted:Vault\nbroken = vaulted:Missing\n"
        "none = vaulted:NoAuth\nother = vaulted:Vault\n"
        "[bronze_engine.token_stores]\nkeychain = vaulted:tokens\n"
    )
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("vaulted", None)


@pytest.mark.usefixtures("installed")
def test_a_third_partys_table_is_read_as_every_other(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        written({"type": "vault", "role": "reader", "key": "${KEY}"}),
        environ={"KEY": "canary-key"},
    )
    auth = config.api("shop").auth
    assert type(auth).__name__ == "VaultAuth"
    assert "canary" not in repr(auth)
    assert "canary-key" in config.secrets
    assert list(of_auth(auth)) == ["canary-key"]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"type": "vault", "role": "r"}, "auth.key: missing; it is a string"),
        ({"type": "vault", "rol": "r", "key": "k"}, 'auth.rol: unknown key; did you mean "role"?'),
        ({"type": "vault", "role": 3, "key": "k"}, "auth.role: expected a string"),
        ({"type": "vaul"}, 'unknown type "vaul"; did you mean "vault"?'),
        ({"type": "broken"}, "(vaulted:Missing, of vaulted) can't be imported: AttributeError"),
        ({"type": "none"}, "its `config` is no subclass of CustomAuth"),
        ({"type": "other"}, "its `config` has the tag 'vault'"),
    ],
)
def test_faults_of_a_third_partys_table(
    table: Mapping[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, written(table)).api("shop")
    assert says in str(caught.value)


def test_the_schema_knows_what_is_installed(installed: Path) -> None:
    points = installed / "vaulted-1.0.dist-info" / "entry_points.txt"
    points.write_text("[bronze_engine.auths]\nvault = vaulted:Vault\n")
    schema = json_schema()["$defs"]["VaultAuth"]
    assert schema["properties"]["role"]["description"] == "Whose token it is."
    assert schema["required"] == ["type", "role", "key"]


def test_two_distributions_with_one_tag_are_told(installed: Path, tmp_path: Path) -> None:
    folder = installed / "second-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[bronze_engine.auths]\nvault = vaulted:NoAuth\n")
    with pytest.raises(ConfigError, match=r"is registered by .* and by .*; uninstall one"):
        load(tmp_path, written({"type": "vault"})).api("shop")


@pytest.mark.usefixtures("installed")
def test_a_token_store_may_be_a_third_partys(tmp_path: Path) -> None:
    assert store_of(written({**REFRESH, "token_store": "keychain"}), tmp_path) == "keychain"
    with pytest.raises(ConfigError, match='did you mean "keychain"'):
        store_of(written({**REFRESH, "token_store": "keychan"}), tmp_path)
