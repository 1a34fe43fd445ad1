"""[apis.NAME.auth]: how requests prove who they are. A credential never leaves its origin."""

from __future__ import annotations

from typing import Literal

import msgspec

from bronze_engine.config.units import Secret

__all__ = ["ApiKeyAuth", "Auth", "BasicAuth", "BearerAuth"]


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


Auth = BearerAuth | BasicAuth | ApiKeyAuth
