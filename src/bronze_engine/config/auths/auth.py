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
    """Without `Bearer`, which is sent before it."""


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="basic"):
    """`Authorization: Basic …` (RFC 7617, UTF-8)."""

    username: str
    """Without a colon, which ends it."""
    password: Secret
    """May be empty, as where an API's key is the username."""


class ApiKeyAuth(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="api_key"
):
    """A key in a header or a query parameter of the API's own choosing."""

    key: Secret
    """Sent as it is, in each request."""
    name: str = "X-API-Key"
    """Of the header or the parameter."""
    location: Literal["header", "query"] = "header"
    """Where the key is sent as `name`."""


class LoginAuth(TokenAuth, frozen=True, kw_only=True, tag="login"):
    """A token, cookies or both that the answer to a request of the API's own carries."""

    path: str
    """Of the request, joined to base_url."""
    method: Literal["GET", "POST"] = "POST"
    """Of the request; only a POST has a body."""
    params: dict[str, Secret] = msgspec.field(default_factory=dict)
    """In the query of a GET; of a POST a form, where it has no json."""
    json: Any = None
    """The body of a POST, as JSON; texts in it are never shown."""
    token_path: str | None = None
    """Dotted path to the token within the answer; "$" where the body itself is the token. Where
    nothing says where a token is, and no cookies are wanted, it is at access_token."""
    token_header: str | None = None
    """The header of the answer that holds the token."""
    cookies: bool = False
    """Send the cookies that the answer sets with each request; a token goes beside them where
    token_path or token_header says where it is."""
    expires_path: str | None = None
    """Dotted path to seconds from now, an instant in epoch seconds or milliseconds, or an ISO
    timestamp; without it the token is renewed when it is refused."""
    location: Literal["header", "query"] = "header"
    """Where the token is sent as `name`; in a query without the prefix."""

    @property
    def sends_token(self) -> bool:
        """Whether the answer must hold a token: cookies alone may be all there is."""
        return not self.cookies or self.token_path is not None or self.token_header is not None

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
