"""[apis.NAME.auth]: how requests prove who they are. A credential never leaves its origin."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bronze_engine.config.auths.oauth2 import (
    JwtBearerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
)
from bronze_engine.config.auths.signing import HmacAuth, SigV4Auth
from bronze_engine.config.units import Secret

__all__ = ["ApiKeyAuth", "Auth", "BasicAuth", "BearerAuth", "CustomAuth", "LoginAuth"]


class BearerAuth(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="bearer"
):
    """`Authorization: Bearer TOKEN`."""

    token: Secret


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="basic"):
    """`Authorization: Basic …` (RFC 7617, UTF-8)."""

    username: str
    password: Secret


class ApiKeyAuth(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="api_key"
):
    """A key in a header or a query parameter of the API's own choosing."""

    key: Secret
    name: str = "X-API-Key"
    location: Literal["header", "query"] = "header"


class LoginAuth(TokenAuth, frozen=True, kw_only=True, tag="login"):
    """A token that the answer to a request of the API's own carries."""

    path: str
    """Of the request, joined to base_url."""
    method: Literal["GET", "POST"] = "POST"
    params: dict[str, Secret] = msgspec.field(default_factory=dict)
    """In the query of a GET; of a POST a form, where it has no json."""
    json: Any = None
    """The body of a POST, as JSON; texts in it are never shown."""
    token_path: str = "access_token"  # noqa: S105  # where a token is, none itself
    """Dotted path to the token within the answer."""
    expires_path: str | None = None
    """Dotted path to seconds from now, an instant in epoch seconds or milliseconds, or an ISO
    timestamp; without it the token is renewed when it is refused."""
    location: Literal["header", "query"] = "header"
    """Where `name` is sent; in a query without the prefix."""

    def __repr__(self) -> str:
        return f"LoginAuth(path={self.path!r})"


class CustomAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the Structs of third parties build on, each with a tag of its own
    (see bronze_engine.contracts.auths)."""


Auth = (
    BearerAuth
    | BasicAuth
    | ApiKeyAuth
    | OAuth2ClientCredentialsAuth
    | OAuth2RefreshTokenAuth
    | JwtBearerAuth
    | LoginAuth
    | HmacAuth
    | SigV4Auth
    | CustomAuth
)
