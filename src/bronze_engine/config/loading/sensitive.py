"""Which values of a configuration must be scrubbed from whatever is printed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

import msgspec

from bronze_engine.config.api import Api
from bronze_engine.config.auths.auth import BasicAuth, LoginAuth
from bronze_engine.config.auths.oauth2 import (
    JwtBearerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
)
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.connection import AdbcConnection, Connection
from bronze_engine.config.loading.fault import KeyPath
from bronze_engine.config.loading.fields import fields_of_table
from bronze_engine.config.loading.references import refers_to
from bronze_engine.config.source import (
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    SourceConfig,
)
from bronze_engine.config.stores.connection_string import connection_parts
from bronze_engine.config.stores.store import (
    AzureStoreConfig,
    CustomStore,
    LocalStoreConfig,
    S3StoreConfig,
    StoreConfig,
)
from bronze_engine.config.units import Secret

__all__ = [
    "credential_values",
    "is_credential_name",
    "of_api",
    "of_api_table",
    "of_auth",
    "of_catalog",
    "of_catalog_table",
    "of_connection",
    "of_connection_table",
    "of_engine_table",
    "of_source",
    "of_store",
    "of_store_table",
    "of_url",
    "of_variables",
    "worth_hiding",
]

MIN_LENGTH: Final = 4
"""Shorter values would be found by chance in every other line."""

_COMMON: Final = frozenset({"true", "false", "none", "null", "http", "https", "json", "utf-8"})
_ORDINARY = re.compile(r"[a-z][a-z_,]{0,30}|[0-9.,:TZ+-]+")
"""Words, numbers and dates: values such as `status = "active"` that logs would miss."""
_CREDENTIAL = re.compile(
    r"^key$|(?:api|access|account|private|subscription)[-_]?key|connection[-_]?string|token|secret|passw|pwd|^auth|"
    r"^sig$|signature|^code$|credential|session",
    re.IGNORECASE,
)
_HARMLESS_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "user-agent", "cache-control"}
)
_PUBLIC_KEYS: Final = frozenset(
    {"target", "state", "log_dir", "timezone", "ca_file", "client_cert", "client_key", "proxy"}
    | {"spill_dir", "base_url", "system", "entity", "username", "allowed_origins", "tags"}
)
_PUBLIC_AUTH_KEYS: Final = frozenset(
    {"token_url", "client_id", "token_store", "scope", "audience", "region", "service"}
    | {"access_key_id", "profile", "issuer", "subject", "path"}
    | {"token_path", "token_header", "expires_path", "secret_encoding", "credentials_in"}
)
_CONTAINER_FIRST: Final = frozenset({"abfs", "abfss"})
"""Schemes that write the container where others have a user: `abfss://container@account…`."""
_PUBLIC_STORE_KEYS: Final = frozenset(
    {"path", "url", "endpoint_url", "region", "access_key_id", "profile", "role_arn"}
    | {"kms_key_id", "storage_class", "expected_bucket_owner", "account", "sse", "access_tier"}
    | {"addressing_style", "part_checksum"}
)
"""An access key's id is a name: a server's own may be a word that every line has."""
_PUBLIC_CONNECTION_KEYS: Final = frozenset(
    {"host", "port", "database", "user", "sslmode", "passfile", "application_name"}
    | {"connect_timeout", "statement_timeout", "lock_timeout", "max_connections"}
    | {"driver", "entrypoint"}
)
_USER_ALONE: Final = ("postgresql", "postgres")
"""Schemes of addresses where a user without a password is a name, and no token."""
_WITHOUT_SCHEME: Final = re.compile(r"[^:@/\s=]*:(.*)@", re.DOTALL)
"""As Snowflake's driver has it: user:password@account/database."""
_DSN_PASSWORD = re.compile(r"(?:^|\s)(?:ssl)?password\s*=\s*([^\s']\S*|'((?:[^'\\]|\\.)*)')")


def is_credential_name(name: str) -> bool:
    """Whether a parameter of this name is likely to carry a credential."""
    return _CREDENTIAL.search(name) is not None


def of_variables(found: Iterable[tuple[KeyPath, str]]) -> Iterator[str]:
    """What came from the environment and from files, save keys whose values are public.

    Of URLs the parts that matter are found by `of_api` and `of_store`.
    """
    for path, value in found:
        is_public = path[-1] in _PUBLIC_KEYS or "tags" in path
        if path[0] == "stores":
            is_public = is_public or path[-1] in _PUBLIC_STORE_KEYS
        elif path[0] == "connections":
            is_public = is_public or path[-1] in _PUBLIC_CONNECTION_KEYS
            if path[-1] in ("dsn", "uri"):  # host, database and user are no secrets
                yield from _of_dsn(value)
                continue
        elif path[0] == "catalogs":
            if path[2:] == ("uri",):
                yield from _of_dsn(value)
                continue
            is_public = path[2:] == ("warehouse",) or (
                path[2:3] == ("properties",) and not is_credential_name(str(path[-1]))
            )
        elif path == ("engine", "limits"):  # found whole by `of_engine_table`
            continue
        elif path[0] == "apis" and path[2:3] == ("auth",):
            is_public = is_public or path[3:] in {(key,) for key in _PUBLIC_AUTH_KEYS}
        if not is_public:
            yield from worth_hiding(value)
            if "{" in value or "}" in value:  # as it stands in a template
                yield from worth_hiding(value.replace("{", "{{").replace("}", "}}"))


def of_engine_table(table: Any) -> Iterator[str]:
    """The password of the server of shared limits, also of a table that is refused."""
    url = table.get("limits") if isinstance(table, dict) else None
    _, _, userinfo = str(url or "").rpartition("@")[0].partition("://")
    password = userinfo.partition(":")[2]
    yield from worth_hiding(password)
    yield from worth_hiding(unquote(password))


def of_auth(auth: msgspec.Struct | None) -> Iterator[str]:
    """Every Secret of an auth, and the texts of a login's body."""
    if auth is None:
        return
    for name in auth.__struct_fields__:
        yield from _of_value(getattr(auth, name))
    match auth:
        case BasicAuth(username=user, password=password):
            yield _pair(user, password)
        case OAuth2ClientCredentialsAuth(client_id=user, client_secret=password):
            yield _pair(quote_plus(user), Secret(quote_plus(password.reveal())))
        case OAuth2RefreshTokenAuth(client_id=user, client_secret=Secret() as password):
            yield _pair(quote_plus(user), Secret(quote_plus(password.reveal())))
        case JwtBearerAuth(private_key=key):
            yield from _of_service_account(key.reveal())
        case LoginAuth(json=body):
            yield from _texts(body)
        case _:
            pass


def _of_value(value: Any) -> Iterator[str]:
    match value:
        case Secret():
            yield from worth_hiding(value.reveal())
        case dict():
            for item in value.values():
                yield from _of_value(item)
        case list() | tuple():
            for item in value:
                yield from _of_value(item)
        case _:
            pass


def _pair(user: str, password: Secret) -> str:
    return base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()


def _of_service_account(text: str) -> Iterator[str]:
    """The key within the JSON file of a Google service account, as it is once decoded."""
    if text.lstrip().startswith("{"):
        try:
            key = msgspec.json.decode(text, type=dict[str, Any]).get("private_key")
        except msgspec.DecodeError:
            return
        if isinstance(key, str):
            yield from worth_hiding(key)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield from worth_hiding(value)
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
        case _:
            pass


def of_api(api: Api) -> Iterator[str]:
    yield from of_auth(api.auth)
    for name, header in api.headers.items():
        if name.lower() not in _HARMLESS_HEADERS:
            value = header.reveal()
            yield from worth_hiding(value)
            scheme, _, credential = value.partition(" ")
            if scheme.lower() in ("bearer", "basic", "token", "apikey"):
                yield from worth_hiding(credential)
    yield from of_url(api.base_url)
    yield from of_url(api.proxy)


def of_api_table(table: Any) -> Iterator[str]:
    """What of a table of [apis] that may yet be refused is named like a credential."""
    if not isinstance(table, dict):
        return
    auth = table.get("auth")
    if isinstance(auth, dict):
        is_hmac = auth.get("type") == "hmac"  # whose headers and params are templates
        public = _PUBLIC_AUTH_KEYS | ({"headers", "params"} if is_hmac else set())
        auth = {name: value for name, value in auth.items() if name not in public}
        yield from credential_values(auth)
    yield from credential_values({name: item for name, item in table.items() if name != "auth"})


def of_url(text: str, *, has_named_user: bool = False) -> Iterator[str]:
    """User, password and query values of a URL, also of one that is refused.

    `has_named_user`: who logs in at a database is no secret, and messages have to name whom to
    grant what.
    """
    try:
        url = urlsplit(text)
    except ValueError:
        return
    if "@" in url.netloc:
        userinfo = url.netloc.rpartition("@")[0]
        is_container = url.scheme in _CONTAINER_FIRST and ":" not in userinfo
        is_name = has_named_user and (":" in userinfo or url.scheme in _USER_ALONE)
        for part in () if is_container else userinfo.split(":", 1)[is_name:]:
            yield from worth_hiding(part)
            yield from worth_hiding(unquote(part))
    for name, value in parse_qsl(url.query):
        if is_credential_name(name) or not _ORDINARY.fullmatch(value):
            yield from worth_hiding(value)


def of_store(store: StoreConfig) -> Iterator[str]:
    secrets: tuple[Secret | None, ...]
    match store:
        case LocalStoreConfig():
            return
        case CustomStore():
            yield from _of_custom(store)
            return
        case S3StoreConfig():
            secrets = (store.secret_access_key, store.session_token)
        case AzureStoreConfig():
            secrets = (store.account_key, store.sas_token, store.connection_string)
    for secret in secrets:
        if secret is not None:
            yield from _of_credential(secret.reveal())
    yield from of_url(store.url)
    yield from of_url(store.endpoint_url or "")
    yield from of_url(store.proxy)


def of_store_table(table: Any) -> Iterator[str]:
    """The same of a table of [stores] that may yet be refused."""
    for name, value in table.items() if isinstance(table, dict) else ():
        if name in ("url", "endpoint_url", "proxy"):
            yield from of_url(value if isinstance(value, str) else "")
        elif name in _PUBLIC_STORE_KEYS:
            continue
        elif isinstance(value, str) and is_credential_name(name):
            yield from _of_credential(value)
        else:
            yield from credential_values(value, name)


def _of_credential(text: str) -> Iterator[str]:
    """A key, a token, a SAS or a connection string: itself, and what is secret within it."""
    yield from worth_hiding(text)
    parts = connection_parts(text) or {}
    signature = parts.get("sharedaccesssignature", text)
    yield from worth_hiding(parts.get("accountkey", ""))
    yield from worth_hiding(signature)
    if "sig=" in signature:
        yield from of_url(f"https://sas/?{signature.removeprefix('?')}")


def of_connection(connection: Connection) -> Iterator[str]:
    """The password, wherever it stands, and every secret of a driver."""
    if isinstance(connection, AdbcConnection):
        yield from _of_value(connection.options)
        uri = connection.uri
        yield from () if uri is None else _of_dsn(uri.reveal())
        return
    yield from _of_value(connection.password)
    if connection.dsn is not None:
        yield from _of_dsn(connection.dsn.reveal())


def of_connection_table(table: Any) -> Iterator[str]:
    """The same of a table of [connections] that may yet be refused."""
    for name, value in table.items() if isinstance(table, dict) else ():
        if name in ("dsn", "uri"):
            yield from _of_dsn(value if isinstance(value, str) else "")
        elif name not in _PUBLIC_CONNECTION_KEYS:
            yield from credential_values(value, name)


def of_catalog(catalog: Catalog) -> Iterator[str]:
    """What is secret in its address, and its properties that are named like credentials."""
    if catalog.uri is not None:
        yield from _of_dsn(catalog.uri.reveal())
    for name, value in catalog.properties.items():
        yield from of_url(value.reveal())
        if is_credential_name(name):
            yield from worth_hiding(value.reveal())


def of_catalog_table(table: Any) -> Iterator[str]:
    """The same of a table of [catalogs] that may yet be refused."""
    for name, value in table.items() if isinstance(table, dict) else ():
        if name == "uri":
            yield from _of_dsn(value if isinstance(value, str) else "")
        else:
            yield from credential_values(value, name)


def _of_dsn(text: str) -> Iterator[str]:
    """What is secret in a URL, with or without its scheme, or in pairs of key=value."""
    if "://" in text:
        yield from of_url(text, has_named_user=True)
        return
    if (found := _WITHOUT_SCHEME.match(text)) is not None:
        yield from worth_hiding(found[1])
        yield from worth_hiding(unquote(found[1]))
    for match in _DSN_PASSWORD.finditer(text):
        yield from worth_hiding(match[1] if match[2] is None else _unquoted(match[2]))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def of_source(source: SourceConfig) -> Iterator[str]:
    """Values of parameters, and what credential-like keys of the body hold."""
    if isinstance(source, FilesSourceConfig):
        for url in source.urls:
            yield from of_url(url)
    if isinstance(source, CustomSource):
        yield from _of_custom(source)
    if not isinstance(source, HttpSourceConfig):
        return
    yield from of_url(source.path)
    headers = {
        name: value
        for name, value in source.headers.items()
        if name.lower() not in _HARMLESS_HEADERS
    }
    requests: list[tuple[Mapping[str, Any], Any]] = [(source.params, source.json), (headers, None)]
    if source.export is not None:
        asked = source.export.create, source.export.poll
        requests += [(each.params, each.json) for each in asked]
    for params, body in requests:
        yield from credential_values(params)
        yield from credential_values(body)
        for value in params.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str) and not _ORDINARY.fullmatch(item) and "{" not in item:
                    yield from worth_hiding(item)


def _of_custom(table: CustomSource | CustomStore) -> Iterator[str]:
    """Secrets, what lies in URLs, and texts whose keys are named like credentials. What it
    refers to by name is hidden with that."""
    for field in fields_of_table(type(table)):
        if refers_to(field.type) is not None:
            continue
        value = getattr(table, field.name)
        yield from _of_value(value)
        if isinstance(value, str):
            yield from of_url(value)
        yield from credential_values(value, field.encode_name)


def credential_values(value: Any, name: str = "") -> Iterator[str]:
    """Texts below keys that are named like credentials, at any depth."""
    match value:
        case dict():
            for key, item in value.items():
                yield from credential_values(item, key)
        case list():
            for item in value:
                yield from credential_values(item, name)
        case str() if is_credential_name(name):
            yield from worth_hiding(value.replace("{{", "{").replace("}}", "}"))
        case _:
            pass


def worth_hiding(value: str) -> Iterator[str]:
    """The value, unless it is so short or common that hiding it would only blot the log."""
    if len(value) >= MIN_LENGTH and value.lower() not in _COMMON:
        yield value
