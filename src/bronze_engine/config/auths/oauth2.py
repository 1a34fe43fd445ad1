"""[apis.NAME.auth] whose tokens a token endpoint gives out (RFC 6749, RFC 7523)."""

from __future__ import annotations

from typing import Literal

import msgspec

from bronze_engine.config.units import Duration, Secret

__all__ = [
    "JwtBearerAuth",
    "OAuth2ClientCredentialsAuth",
    "OAuth2RefreshTokenAuth",
    "TokenAuth",
]


class TokenAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a token is sent once it is known."""

    name: str = "Authorization"
    """The header."""
    prefix: str = "Bearer"
    """Before the token, with a space between; "" sends the token alone."""


class OAuth2ClientCredentialsAuth(
    TokenAuth, frozen=True, kw_only=True, tag="oauth2_client_credentials"
):
    """The client proves itself and gets a token (RFC 6749, 4.4)."""

    token_url: str
    """The secret goes nowhere else; redirects are not followed."""
    client_id: str
    """Whom the server knows us as."""
    client_secret: Secret
    """What proves it; sent to token_url alone."""
    grant_type: str = "client_credentials"
    """What servers with a grant of their own want instead, and `params` beside it:
    "account_credentials" (Zoom), "password"."""
    scope: str | None = None
    """What access is asked for, with spaces between several: "orders:read stock:read"."""
    audience: str | None = None
    """Asked for by Auth0 and its kin."""
    params: dict[str, Secret] = {}
    """More fields of the form."""
    credentials_in: Literal["body", "header"] = "body"
    """As client_id and client_secret of the form, or as `Authorization: Basic`."""


class OAuth2RefreshTokenAuth(TokenAuth, frozen=True, kw_only=True, tag="oauth2_refresh_token"):
    """A refresh token is exchanged for access tokens, and often for its successor
    (RFC 6749, 6). What is new is stored before its first use."""

    token_url: str
    """The secrets go nowhere else; redirects are not followed."""
    client_id: str
    """Whom the server knows us as."""
    client_secret: Secret | None = None
    """None for public clients."""
    refresh_token: Secret
    """The first one. Its successors are kept in token_store, until another is written here."""
    token_store: str
    """A file of its own (readable by its owner alone; absolute on loading), a name of [stores],
    a store's URL, or the name of an entry point. Never within a lake."""
    scope: str | None = None
    """What access is asked for, with spaces between several: "orders:read stock:read"."""
    params: dict[str, Secret] = {}
    """More fields of the form."""
    credentials_in: Literal["body", "header"] = "body"
    """As client_id and client_secret of the form, or as `Authorization: Basic`."""


Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "HS256",
    "HS384",
    "HS512",
]
"""Of a signature (RFC 7518, 3.1)."""


class JwtBearerAuth(TokenAuth, frozen=True, kw_only=True, tag="jwt_bearer"):
    """An assertion that we sign is exchanged for a token (RFC 7523), or is the token itself
    where there is no token_url."""

    token_url: str | None = None
    """Where the assertion is exchanged; redirects are not followed."""
    private_key: Secret
    """A key in PEM, the JSON file of a Google service account, or the secret of HS256."""
    algorithm: Algorithm = "RS256"
    """Of the signature (RFC 7518, 3.1); the key must be of its kind."""
    sent_as: Literal["assertion", "client_assertion"] = "assertion"
    """As the grant (RFC 7523, 2.1), or as the client's proof in a grant of client credentials
    (2.2, "private_key_jwt"): NetSuite, SMART on FHIR, Okta, Entra ID."""
    issuer: str | None = None
    """`iss`; of a service account its client_email."""
    subject: str | None = None
    """`sub`: on whose behalf; of a client_assertion by default the issuer, the client itself."""
    audience: str | None = None
    """`aud`; default: token_url."""
    key_id: str | None = None
    """`kid`; of a service account its private_key_id."""
    lifetime: Duration = Duration(180)
    """Of an assertion. Salesforce takes 3 minutes, Google an hour at most."""
    scope: str | None = None
    """A field of the form; Google wants it in `claims` instead."""
    claims: dict[str, str] = {}
    """More claims of the assertion."""
    header: dict[str, str] = {}
    """More members of its header: Entra ID's `x5t`."""
    params: dict[str, Secret] = {}
    """More fields of the form."""
