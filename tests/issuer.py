"""An authorisation server's mind: it gives tokens out, rotates them, and knows a thief.

A refresh token is good once. One that is used a second time is taken for stolen, and all that
descends from it is revoked, as RFC 9700, 4.14.2 has it.
"""

from __future__ import annotations

import base64
from typing import Any

from bronze_engine.clock import Clock

CLIENT = ("client", "client/secret of+mine")


class Issuer:
    def __init__(
        self,
        clock: Clock,
        *,
        lifetime_seconds: Any = 3600,
        rotates: bool = True,
        seed: str = "seed",
    ) -> None:
        self.clock = clock
        self.lifetime_seconds = lifetime_seconds
        """As it is written into `expires_in`; None leaves it out."""
        self.rotates = rotates
        self.refresh_token = seed
        """The one that is good."""
        self.used: set[str] = set()
        self.is_revoked = False
        self.granted: list[str] = []
        """Every access token, in order."""
        self.expiries: dict[str, float] = {}
        self.forms: list[dict[str, str]] = []

    def answer(self, form: dict[str, str], authorization: str = "") -> tuple[int, dict[str, Any]]:
        """The status and the body for a request to the token endpoint."""
        self.forms.append(form)
        if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._grant()
        if form.get("client_assertion"):
            return self._grant()
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client", "error_description": f"{form} {authorization}"}
        if form.get("grant_type") == "client_credentials":
            return self._grant()
        used = form.get("refresh_token", "")
        if used in self.used:
            self.is_revoked = True
            self.expiries.clear()
        if self.is_revoked or used != self.refresh_token:
            return 400, {"error": "invalid_grant", "error_description": f"{used} is not good"}
        if not self.rotates:
            return self._grant()
        self.used.add(used)
        self.refresh_token = f"refresh-{len(self.used)}"
        return self._grant(refresh_token=self.refresh_token)

    def lets_in(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        return self.expiries.get(token, 0.0) > self.clock.now().timestamp()

    def revoke_access(self) -> None:
        """Every access token given out so far is refused from now on."""
        self.expiries.clear()

    def _grant(self, **more: str) -> tuple[int, dict[str, Any]]:
        token = f"access-{len(self.granted) + 1}"
        self.granted.append(token)
        try:
            lifetime = float(self.lifetime_seconds)
        except (TypeError, ValueError):
            lifetime = 0.0
        lives = lifetime if lifetime > 0 else 1e9
        self.expiries[token] = self.clock.now().timestamp() + lives
        body = {"access_token": token, "token_type": "Bearer", **more}
        if self.lifetime_seconds is not None:
            body["expires_in"] = self.lifetime_seconds
        return 200, body

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if authorization:
            wanted = "client:client%2Fsecret+of%2Bmine"  # RFC 6749, 2.3.1, written by hand
            return authorization == f"Basic {base64.b64encode(wanted.encode()).decode()}"
        return (form.get("client_id"), form.get("client_secret")) == CLIENT
