"""What a well-typed [apis.NAME.auth] may still get wrong, and what it sends."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bronze_engine.config.auths.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth, LoginAuth
from bronze_engine.config.auths.oauth2 import (
    JwtBearerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
)
from bronze_engine.config.auths.signing import SIGN_VALUES, HmacAuth, SigV4Auth
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.stores.loopback import is_loopback
from bronze_engine.config.units import Secret
from bronze_engine.model.nearest import nearest

__all__ = ["auth_faults", "auth_headers", "auth_params", "is_header_name", "token_url_in_clear"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LIFETIMES = (10.0, 86400.0)
_GRANT_FIELDS = frozenset(
    {"grant_type", "client_id", "client_secret", "refresh_token", "assertion", "scope", "audience"}
)


def auth_faults(auth: Auth | None, path: KeyPath) -> Iterator[Fault]:
    """Faults of an auth by itself. No text holds a credential."""
    match auth:
        case BearerAuth():
            yield from _credential(auth.token, (*path, "token"))
            if auth.token.reveal().lower().startswith("bearer "):
                yield Fault(
                    (*path, "token"), "begins with `Bearer`, which is sent before it anyway"
                )
        case BasicAuth():
            yield from _credential(auth.password, (*path, "password"), may_be_empty=True)
            if ":" in auth.username or _CONTROL.search(auth.username):
                yield Fault((*path, "username"), "holds a colon or a control character")
        case ApiKeyAuth():
            yield from _credential(auth.key, (*path, "key"))
            yield from _name(auth.name, auth.location, (*path, "name"))
        case HmacAuth():
            yield from _hmac(auth, path)
        case SigV4Auth():
            yield from _sigv4(auth, path)
        case TokenAuth():
            yield from _token(auth, path)


def auth_headers(auth: Auth | None) -> tuple[str, ...]:
    """The headers that an auth sets in each request."""
    match auth:
        case BearerAuth() | BasicAuth() | SigV4Auth():
            return ("Authorization",)
        case ApiKeyAuth(location="header", name=name):
            return (name,)
        case HmacAuth(headers=headers):
            return tuple(headers)
        case LoginAuth():
            token = (auth.name,) if auth.location == "header" and auth.sends_token else ()
            return (*token, "Cookie") if auth.cookies else token
        case TokenAuth(name=name):
            return (name,)
        case _:
            return ()


def auth_params(auth: Auth | None) -> tuple[str, ...]:
    """The query parameters that an auth sets in each request."""
    match auth:
        case ApiKeyAuth(location="query", name=name) | LoginAuth(location="query", name=name):
            return (name,)
        case HmacAuth(params=params):
            return tuple(params)
        case _:
            return ()


def token_url_in_clear(auth: Auth | None) -> bool:
    """Whether client secrets go over plain HTTP to a host that is not this machine."""
    url = urlsplit(getattr(auth, "token_url", None) or "")
    return url.scheme == "http" and not is_loopback(url.hostname or "")


def is_header_name(text: str) -> bool:
    return _HEADER_NAME.fullmatch(text) is not None


def _name(name: str, location: str, path: KeyPath) -> Iterator[Fault]:
    if location == "header" and not is_header_name(name):
        yield Fault(path, "is no name of a header")
    elif not name:
        yield Fault(path, "is empty")


def _token(auth: TokenAuth, path: KeyPath) -> Iterator[Fault]:
    location = auth.location if isinstance(auth, LoginAuth) else "header"
    yield from _name(auth.name, location, (*path, "name"))
    if _CONTROL.search(auth.prefix):
        yield Fault((*path, "prefix"), "holds a control character")
    match auth:
        case OAuth2ClientCredentialsAuth():
            yield from _token_url(auth.token_url, (*path, "token_url"))
            yield from _credential(auth.client_secret, (*path, "client_secret"))
            yield from _form(auth.params, path)
        case OAuth2RefreshTokenAuth():
            yield from _token_url(auth.token_url, (*path, "token_url"))
            if auth.client_secret is not None:
                yield from _credential(auth.client_secret, (*path, "client_secret"))
            elif auth.credentials_in == "header":
                yield Fault((*path, "credentials_in"), "has no client_secret to put into a header")
            yield from _credential(auth.refresh_token, (*path, "refresh_token"))
            yield from _form(auth.params, path)
        case JwtBearerAuth():
            yield from _jwt(auth, path)
        case LoginAuth():
            yield from _login(auth, path)


def _token_url(text: str, path: KeyPath) -> Iterator[Fault]:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname or re.search(r"[\s\x00-\x1f]", text):
        yield Fault(path, "is no URL; write https://login.example.com/oauth/token")
    elif "@" in url.netloc:
        yield Fault(path, "has a user or password in it; write them into client_id and its kin")
    elif url.fragment:
        yield Fault(path, "has a fragment (#), which is never sent; leave it out")


def _form(params: Mapping[str, Secret], path: KeyPath) -> Iterator[Fault]:
    for name in params:
        if name in _GRANT_FIELDS:
            yield Fault(
                (*path, "params", name), "is a field that we set; use the key of [auth] for it"
            )


def _jwt(auth: JwtBearerAuth, path: KeyPath) -> Iterator[Fault]:
    if not auth.private_key.reveal().strip():
        yield Fault((*path, "private_key"), "is empty")
    least, most = _LIFETIMES
    if not least <= auth.lifetime <= most:
        yield Fault((*path, "lifetime"), f"lies between {least:g} s and {most / 3600:g} h")
    for name in auth.claims:
        if name in ("iss", "sub", "aud", "iat", "exp"):
            key = {"iss": "issuer", "sub": "subject", "aud": "audience"}.get(name, "lifetime")
            yield Fault((*path, "claims", name), f"is a claim that we set; use {key}")
    for name in sorted({"alg", "typ", "kid"} & auth.header.keys()):
        yield Fault((*path, "header", name), "is a member that we set; use algorithm and key_id")
    if auth.token_url is not None:
        yield from _token_url(auth.token_url, (*path, "token_url"))
        is_client = auth.sent_as == "client_assertion"  # which may say who it is beside its proof
        params = {name: auth.params[name] for name in auth.params if name != "client_id"}
        yield from _form(params if is_client else auth.params, path)
        return
    for key in ("scope", "params"):
        if getattr(auth, key):
            yield Fault((*path, key), "is sent to token_url, and there is none")
    if auth.sent_as == "client_assertion":
        yield Fault((*path, "sent_as"), "is how it is sent to token_url, and there is none")


def _login(auth: LoginAuth, path: KeyPath) -> Iterator[Fault]:
    if "://" in auth.path or auth.path.startswith("//"):
        yield Fault((*path, "path"), "is joined to base_url; leave the host out")
    elif "?" in auth.path or "#" in auth.path:
        yield Fault((*path, "path"), "holds `?` or `#`; write parameters into params")
    if auth.json is not None and auth.method == "GET":
        yield Fault((*path, "json"), 'is a body, and GET has none; write method = "POST"')
    elif auth.json is not None and auth.params:
        yield Fault((*path, "params"), "is a second body beside json; keep one of the two")
    for key in ("token_path", "expires_path"):
        text = getattr(auth, key)
        if text is not None and not all(text.split(".")):
            yield Fault((*path, key), "is no dotted path; write data.token")
    if auth.token_header is not None:
        if not is_header_name(auth.token_header):
            yield Fault((*path, "token_header"), "is no name of a header")
        if auth.token_path is not None:
            yield Fault((*path, "token_header"), "is a second token beside token_path; keep one")
    if not auth.sends_token:
        if auth.location == "query":
            yield Fault((*path, "location"), "is that of a token, and only cookies are sent")
    elif auth.location == "query" and auth.name == "Authorization":
        yield Fault((*path, "name"), "missing; it is the parameter that the token is sent in")


def _hmac(auth: HmacAuth, path: KeyPath) -> Iterator[Fault]:
    yield from _credential(auth.secret, (*path, "secret"))
    if auth.key.reveal():
        yield from _credential(auth.key, (*path, "key"))
    if not _decodes(auth.secret.reveal(), auth.secret_encoding):
        yield Fault((*path, "secret"), f"is no {auth.secret_encoding}; check secret_encoding")
    yield from _template(auth.sign, SIGN_VALUES, (*path, "sign"))
    with_signature = SIGN_VALUES | {"signature"}
    for name, text in auth.headers.items():
        here = (*path, "headers", name)
        if not is_header_name(name):
            yield Fault(here, "is no name of a header")
        yield from _template(text, with_signature, here)
    for name, text in auth.params.items():
        yield from _template(text, with_signature, (*path, "params", name))
    texts = [*auth.headers.values(), *auth.params.values()]
    if not any("{signature}" in text for text in texts):
        yield Fault((*path, "headers"), "the signature is sent nowhere; write {signature} into one")
    if "{key}" in "".join([*texts, auth.sign]) and not auth.key.reveal():
        yield Fault((*path, "key"), "missing; a template uses {key}")


def _decodes(text: str, encoding: str) -> bool:
    try:
        if encoding == "base64":
            base64.b64decode(text, validate=True)
        elif encoding == "hex":
            bytes.fromhex(text)
    except (binascii.Error, ValueError):
        return False
    return True


def _template(text: str, known: frozenset[str], path: KeyPath) -> Iterator[Fault]:
    for match in _PLACEHOLDER.finditer(text):
        if match[0] in ("{{", "}}"):
            continue
        if match[1] is None:
            yield Fault(path, "has a single brace; write {{ or }} where it means itself")
        elif match[1] not in known:
            yield Fault(path, f"{{{match[1]}}} is no value; {nearest(match[1], known)}")


def _sigv4(auth: SigV4Auth, path: KeyPath) -> Iterator[Fault]:
    for key in ("service", "region"):
        if not getattr(auth, key).strip():
            yield Fault((*path, key), "is empty")
    if (auth.access_key_id is None) != (auth.secret_access_key is None):
        missing = "access_key_id" if auth.access_key_id is None else "secret_access_key"
        yield Fault((*path, missing), "missing; the two go together")
    if auth.session_token is not None and auth.access_key_id is None:
        yield Fault((*path, "session_token"), "belongs to keys; set access_key_id too")
    if auth.profile is not None and auth.access_key_id is not None:
        yield Fault((*path, "profile"), "is a second credential beside keys; keep one of the two")
    if auth.secret_access_key is not None:
        yield from _credential(auth.secret_access_key, (*path, "secret_access_key"))


def _credential(secret: Secret, path: KeyPath, *, may_be_empty: bool = False) -> Iterator[Fault]:
    value = secret.reveal()
    if not value and not may_be_empty:
        yield Fault(path, "is empty")
    elif value != value.strip() or _CONTROL.search(value):
        yield Fault(path, "begins or ends with a space, or holds a line break")
