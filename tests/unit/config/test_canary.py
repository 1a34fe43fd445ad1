"""A canary in every place of a configuration that may hold a secret sings nowhere."""

from __future__ import annotations

import base64
import io
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bronze_engine.config.load import Config
from bronze_engine.errors import ConfigError
from bronze_engine.telemetry.log import setup_logging
from bronze_engine.testing.clock import ManualClock
from tests.unit.config.files import API, ORDERS, http_of, load

pytestmark = pytest.mark.unit

LOG = logging.getLogger("bronze_engine.test")

SOURCE = """
[pipelines.myteam.orders.source]
type = "http"
api = "shop"
path = "/orders/${PATH_KEY}"
method = "POST"
[pipelines.myteam.orders.source.params]
anything = "CANARY-param-1"
listed = ["CANARY-param-2"]
from_env = "${PARAM_KEY}"
api_key = "canarywordonly"
[pipelines.myteam.orders.source.json]
client_secret = "CANARY-json-1"
nested = { from_env = "x ${JSON_KEY} y" }
"""

AUTHS = {
    "bearer": 'type = "bearer"\ntoken = "CANARY-token"',
    "bearer-env": 'type = "bearer"\ntoken = "${TOKEN}"',
    "bearer-file": 'type = "bearer"\ntoken = "${file:token}"',
    "bearer-default": 'type = "bearer"\ntoken = "${ABSENT:-CANARY-default}"',
    "basic": 'type = "basic"\nusername = "user"\npassword = "CANARY-password"',
    "api-key": 'type = "api_key"\nkey = "CANARY-key"',
    "client-credentials": 'type = "oauth2_client_credentials"\ntoken_url = "https://l.example/t"\n'
    'client_id = "me"\nclient_secret = "CANARY-secret"\nparams = { p = "CANARY-field" }',
    "refresh-token": 'type = "oauth2_refresh_token"\ntoken_url = "https://l.example/t"\n'
    'client_id = "me"\nclient_secret = "CANARY-secret"\nrefresh_token = "CANARY-refresh"\n'
    'token_store = "./t.json"',
    "jwt": 'type = "jwt_bearer"\nprivate_key = "${TOKEN}"\nissuer = "me"',
    "login": 'type = "login"\npath = "/login"\n'
    'json = { user = "CANARY-user", deep = [{ pin = "${TOKEN}" }] }',
    "login-form": 'type = "login"\npath = "/login"\nparams = { pin = "CANARY-pin" }',
    "hmac": 'type = "hmac"\nkey = "CANARY-public"\nsecret = "CANARY-hmac"\nsign = "{body}"\n'
    'headers = { S = "{signature} {key}" }',
    "sigv4": 'type = "sigv4"\nservice = "es"\nregion = "eu-west-1"\naccess_key_id = "A"\n'
    'secret_access_key = "CANARY-aws"\nsession_token = "${TOKEN}"',
    "api-key-query": 'type = "api_key"\nkey = "CANARY-key"\nlocation = "query"\nname = "k"',
}

ENVIRON = {
    "PATH_KEY": "CANARY-path",
    "PARAM_KEY": "CANARY{param}",
    "JSON_KEY": "CANARY-json-2",
    "TOKEN": "CANARY-token",
    "HEADER": "CANARY-header-env",
}


def text_with(auth: str) -> str:
    return (
        '[apis.shop]\nbase_url = "https://shop.example/v1?sig=CANARY-query"\n'
        'proxy = "http://me:CANARY-proxy@proxy.example:3128"\n'
        f"[apis.shop.auth]\n{AUTHS[auth]}\n"
        '[apis.shop.headers]\nX-One = "CANARY-header"\nX-Two = "Token ${HEADER}"\n'
        'Cookie-Like = "Bearer CANARY-scheme"\n' + SOURCE
    )


@pytest.fixture(params=sorted(AUTHS))
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    (tmp_path / "token").write_text("CANARY-token-file\n")
    config = load(tmp_path, text_with(request.param), environ=ENVIRON)
    config.pipeline("myteam.orders")
    return config


def test_no_repr_of_a_configuration_shows_a_credential(config: Config) -> None:
    assert "CANARY" not in repr(config)
    assert "CANARY" not in repr(config.api("shop").auth)
    assert "CANARY" not in repr(config.api("shop").headers)


@pytest.mark.parametrize("auth", sorted(AUTHS))
def test_every_secret_of_an_auth_is_known(auth: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("CANARY-token-file\n")
    config = load(tmp_path, text_with(auth), environ=ENVIRON)
    config.api("shop")
    assert set(re.findall(r"CANARY-[a-z]+", AUTHS[auth])) <= config.secrets


@pytest.mark.parametrize("is_json", [False, True])
def test_no_log_shows_a_canary_at_debug_tracebacks_included(
    config: Config, tmp_path: Path, is_json: bool
) -> None:
    stream = io.StringIO()
    clock = ManualClock(start=datetime(2025, 1, 15, tzinfo=UTC))
    pipeline = config.pipeline("myteam.orders")
    canaries = ["CANARY-param-1", "CANARY-param-2", "canarywordonly", "CANARY-json-1"]
    canaries += [
        "CANARY-query",
        "CANARY-proxy",
        "CANARY-header",
        "CANARY-scheme",
        *ENVIRON.values(),
    ]
    with setup_logging(
        level="DEBUG",
        json_lines=is_json,
        clock=clock,
        stream=stream,
        log_dir=tmp_path / "logs",
        secrets=lambda: config.secrets,
    ):
        LOG.debug("%r %s", pipeline, http_of(pipeline).params)
        for value in canaries:
            if value == "CANARY-token" and value not in config.secrets:
                continue  # of another parameter of this test
            LOG.debug("raw %s repr %r", value, value)
            LOG.info("Authorization: Basic %s", base64.b64encode(value.encode()).decode())
            try:
                raise ValueError(f"https://shop.example/?k={value}")
            except ValueError:
                LOG.exception("failed", extra={"url": value, "list": [value]})
        if type(http_of(pipeline).api.auth).__name__ == "BasicAuth":
            LOG.debug(base64.b64encode(b"user:CANARY-password").decode())
    (file,) = (tmp_path / "logs").iterdir()
    for text in (stream.getvalue(), file.read_text()):
        assert text.count("***") > 2 * len(canaries)
        assert "CANARY" not in text
        assert "canarywordonly" not in text
        assert base64.b64encode(b"user:CANARY-password").decode() not in text


BROKEN = [
    '[apis.shop]\nbase_url = "https://me:CANARY@shop.example"\n',
    '[apis.shop]\nbase_url = "https://shop.example:CANARY/"\n',
    '[apis.shop]\nbase_url = "https://shop.example/?k=CANARY#x"\n',
    '[apis.shop]\nbase_url = ["CANARY"]\n',
    f'{API}auth = "CANARY"\n',
    f'{API}headers = "CANARY"\n',
    f'{API}rate_limit = "CANARY"\n',
    f'{API}proxy = "CANARY"\n',
    f'{API}proxy = "ftp://me:CANARY@x"\n',
    f'{API}allowed_origins = ["https://me:CANARY@x"]\n',
    f'{API}[apis.shop.auth]\ntype = "bearer"\ntoken = ["CANARY"]\n',
    f'{API}[apis.shop.auth]\ntype = "bearer"\ntoken = "CANARY\\n"\n',
    f'{API}[apis.shop.auth]\ntype = "bearer"\ntokken = "CANARY"\n',
    f'{API}[apis.shop.auth]\ntype = "bearer"\ntoken = {{ a = "CANARY" }}\n',
    f'{API}[apis.shop.auth]\ntype = "basic"\nusername = "a:b"\npassword = "CANARY\\u0000"\n',
    f'{API}[apis.shop.auth]\ntype = "${{TOKEN}}"\n',
    f'{API}[apis.shop.headers]\nX-A = "CANARY\\r\\nX: y"\n',
    (
        f'{API}[apis.shop.headers]\nAuthorization = "CANARY"\n'
        '[apis.shop.auth]\ntype = "bearer"\ntoken = "CANARY-2"\n'
    ),
    f'{API}[apis.shop.timeout]\nread = "${{TOKEN}}"\n',
    f'{API}concurrency = "${{TOKEN}}"\n',
]


@pytest.mark.parametrize("api", BROKEN)
def test_no_error_of_a_broken_api_shows_a_canary(tmp_path: Path, api: str) -> None:
    config = load(tmp_path, api + ORDERS, environ={"TOKEN": "CANARY-env"})
    with pytest.raises(ConfigError) as caught:
        config.pipeline("myteam.orders")
    assert "CANARY" not in str(caught.value)
    assert "CANARY" not in repr(caught.value)
    assert "CANARY" not in str(caught.value.context)


@pytest.mark.parametrize(
    "source",
    [
        'params = { a = { b = "CANARY" } }',
        'params = { a = "CANARY{" }',
        'params = { a = "{CANARY}" }',
        'params = { a = "${TOKEN}", b = "{x}" }',
        'json = "CANARY"',
        'records = "${TOKEN}.."',
        'method = "${TOKEN}"',
        'paginator = { type = "page", page_size = "${TOKEN}" }',
        'max_page_bytes = "${TOKEN}"',
    ],
)
def test_no_error_of_a_broken_source_shows_a_canary(tmp_path: Path, source: str) -> None:
    text = f"{API}{ORDERS}{source}\n"
    config = load(tmp_path, text, environ={"TOKEN": "CANARY-env"})
    with pytest.raises(ConfigError) as caught:
        config.pipeline("myteam.orders")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("text", ['a = "CANARY', "a = CANARY", 'token = "CANARY"x', "CANARY"])
def test_no_syntax_error_shows_a_canary(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert "CANARY" not in str(caught.value)


def test_a_refused_secret_is_still_masked(tmp_path: Path) -> None:
    config = load(
        tmp_path, f'{API}[apis.shop.auth]\ntype = "bearer"\ntoken = "CANARY-x"\ntokne = 1\n{ORDERS}'
    )
    with pytest.raises(ConfigError):
        config.pipeline("myteam.orders")
    assert "CANARY-x" in config.secrets


def test_ordinary_values_are_not_masked(tmp_path: Path) -> None:
    text = (
        f'{API}[apis.shop.headers]\nAccept = "application/json"\nX-Flag = "true"\n{ORDERS}'
        'params = { status = "active", year = "2025", sort = "updated_at,id", at = "{run_date}" }\n'
    )
    config = load(tmp_path, text, environ={"ROOT": "/data"})
    config.pipeline("myteam.orders")
    assert config.secrets == frozenset()
    rooted = load(tmp_path, f'[engine]\ntarget = "${{ROOT}}"\n{text}', environ={"ROOT": "/data"})
    rooted.pipeline("myteam.orders")
    assert rooted.secrets == frozenset()


# Stores.

SIGNATURE = "sv=2024-11-04&ss=b&sp=rwdl&se=2030-01-01T00:00:00Z&sig=CANARY%2Fsig%3D"
CONNECTION = "AccountName=lake1;AccountKey=Q0FOQVJZLWtleQ==;EndpointSuffix=core.windows.net"

STORES = {
    "s3": (
        (
            'url = "s3://bucket/x"\naccess_key_id = "AKIA-of-the-file"\n'
            'secret_access_key = "CANARY-secret"\nsession_token = "CANARY-session"\n'
            'proxy = "http://me:CANARY-proxy@proxy.example:3128"\n'
        ),
        ["CANARY-secret", "CANARY-session", "CANARY-proxy"],
    ),
    "s3-env": (
        (
            'url = "s3://bucket/x"\nproxy = "http://me:${PROXY_PASSWORD}@proxy.example:3128"\n'
            'role_arn = "arn:aws:iam::123456789012:role/lake"\nexternal_id = "${EXTERNAL_ID}"\n'
        ),
        ["CANARY-proxy", "CANARY-external", "CANARY-env-secret", "CANARY-env-session"],
    ),
    "azure-key": ('url = "az://lake"\naccount = "lake1"\naccount_key = "Q0FOQVJZLWtleQ=="\n', []),
    "azure-sas": (
        f'url = "az://lake"\naccount = "lake1"\nsas_token = "{SIGNATURE}"\n',
        ["CANARY/sig="],
    ),
    "azure-connection": (f'url = "az://lake"\nconnection_string = "{CONNECTION}"\n', []),
    "azure-connection-sas": (
        (
            'url = "az://lake"\nconnection_string = "BlobEndpoint=https://lake1.blob.core.windows.net;'
            f'SharedAccessSignature={SIGNATURE}"\n'
        ),
        ["CANARY/sig=", SIGNATURE],
    ),
    "azure-env": ('url = "az://lake"\n', ["CANARY/sig="]),
    "azure-file": ('url = "az://lake"\naccount = "lake1"\nsas_token = "${file:sas}"\n', []),
}

STORE_ENVIRON = {
    "PROXY_PASSWORD": "CANARY-proxy",
    "EXTERNAL_ID": "CANARY-external",
    "AWS_ACCESS_KEY_ID": "AKIA-of-env",
    "AWS_SECRET_ACCESS_KEY": "CANARY-env-secret",
    "AWS_SESSION_TOKEN": "CANARY-env-session",
    "AZURE_STORAGE_ACCOUNT": "lake1",
    "AZURE_STORAGE_SAS_TOKEN": f"?{SIGNATURE}",
}


@pytest.fixture(params=sorted(STORES))
def store_text(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, list[str]]:
    (tmp_path / "sas").write_text(f"{SIGNATURE}\n")
    body, canaries = STORES[request.param]
    return f"[stores.lake]\n{body}", canaries


def test_no_repr_of_a_store_shows_a_credential(
    store_text: tuple[str, list[str]], tmp_path: Path
) -> None:
    text, canaries = store_text
    config = load(tmp_path, text + API + ORDERS, environ=STORE_ENVIRON, overrides=["target=lake"])
    pipeline = config.pipeline("myteam.orders")
    shown = repr(pipeline) + repr(pipeline.target) + pipeline.target.location + repr(config)
    assert "CANARY" not in shown
    assert "Q0FOQVJZLWtleQ" not in shown
    assert set(canaries) <= config.secrets
    assert not any(secret in shown for secret in config.secrets)


def test_parts_of_a_credential_are_secrets_and_what_is_public_is_none(tmp_path: Path) -> None:
    for name, (body, _) in STORES.items():
        if name == "azure-file":
            continue
        config = load(tmp_path, f"[stores.lake]\n{body}", environ=STORE_ENVIRON)
        config.store("lake")
        public = {"lake1", "lake", "bucket", "AKIA-of-env", "AKIA-of-the-file", "core.windows.net"}
        assert not public & config.secrets
        if "key" in name or name == "azure-connection":
            assert "Q0FOQVJZLWtleQ==" in config.secrets


def test_what_only_names_a_place_is_not_masked(tmp_path: Path) -> None:
    """A server of one's own may have `bronze` for an access key, and every line has that word."""
    text = (
        '[stores.lake]\nurl = "${LAKE}"\naccess_key_id = "${USER_OF_LAKE}"\nregion = "${REGION}"\n'
        'secret_access_key = "${SECRET}"\naddressing_style = "${STYLE}"\nendpoint_url = "${URL}"\n'
        'concurrency = "${MANY}"\n[stores.lake.tags]\nteam = "${TEAM}"\n'
    )
    environ = {
        "LAKE": "s3://bronze/orders",
        "USER_OF_LAKE": "bronze",
        "REGION": "eu-central-1",
        "SECRET": "CANARY-secret",
        "STYLE": "path",
        "URL": "https://s3.example.com",
        "MANY": "128",
        "TEAM": "orders",
    }
    config = load(tmp_path, text, environ=environ)
    config.store("lake")
    assert config.secrets == {"CANARY-secret"}


@pytest.mark.parametrize(
    "broken",
    [
        'conection_string = "CANARY"\n',
        "concurrency = 0\n",
        'endpoint_url = "https://me:CANARY-endpoint@x"\n',
        'endpoint_url = "CANARY"\n',
        "insecure = true\n",
        'region = "CANARY region"\n',
        'ca_file = "none.pem"\n',
        "sse = 3\n",
        'storage_class = ["CANARY"]\n',
        'tags = {a = "CANARY!"}\n',
    ],
)
def test_no_error_of_a_broken_store_shows_a_canary(
    store_text: tuple[str, list[str]], tmp_path: Path, broken: str
) -> None:
    text, canaries = store_text
    config = load(
        tmp_path, text + broken + API + ORDERS, environ=STORE_ENVIRON, overrides=["target=lake"]
    )
    for ask in (lambda: config.pipeline("myteam.orders"), lambda: config.store("lake")):
        with pytest.raises(ConfigError) as caught:
            ask()
        for shown in (str(caught.value), repr(caught.value), str(caught.value.context)):
            assert "CANARY" not in shown
            assert "Q0FOQVJZLWtleQ" not in shown
    own = [canary for canary in canaries if canary not in STORE_ENVIRON.values()]
    written = [canary for canary in own if canary in text]
    assert set(written) <= config.secrets


@pytest.mark.parametrize(
    "target",
    [
        "s3://me:CANARY-target@bucket/x",
        "s3://bucket/x?X-Amz-Signature=CANARY-target",
        "az://lake?sig=CANARY-target",
        "https://lake1.blob.core.windows.net/lake?sig=CANARY-target",
    ],
)
def test_a_credential_in_a_target_is_refused_unseen_and_masked(tmp_path: Path, target: str) -> None:
    for environ, overrides in (
        ({"BRONZE_TARGET_ROOT": target}, []),
        ({}, [f"target={target}"]),
        ({}, [f"engine.target={target}"]),
    ):
        config = load(tmp_path, API + ORDERS, environ=environ, overrides=overrides)
        with pytest.raises(ConfigError) as caught:
            config.pipeline("myteam.orders")
        assert "CANARY" not in str(caught.value)
        assert "CANARY-target" in config.secrets
