"""Where ours lands, as a user writes it: a folder, or a store below a prefix of the run's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["lake"]


def lake(store: Mapping[str, str] | None, out: Path) -> str:
    """The beginning of a pipelines.toml."""
    if store is None:
        return '[engine]\ntarget = "./bronze"\n'
    fields = {**store, "url": f"{store['url']}/{out.name}"}
    keys = "".join(f'{key} = "{value}"\n' for key, value in fields.items())
    return f'[engine]\ntarget = "lake"\n\n[stores.lake]\ntype = "s3"\n{keys}'
