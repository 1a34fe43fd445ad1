"""One server for all modules of this folder: imported by each, a fixture is made anew in each."""

from __future__ import annotations

from tests.integration.azurite import azurite

__all__ = ["azurite"]
