"""One small answer of a chain: to see whether it can be read, and what is there."""

from __future__ import annotations

import msgspec

from bronze_engine.errors import AuthError, ExtractError, PageError
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.http.body.split import Split
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.wire.client import Answer

__all__ = ["sample"]


async def sample(resource: Resource, chain: Chain) -> tuple[Answer, Split]:
    """Ask for the first page, once and as small as the paginator can say.

    Raises what a reading raises; a fault that may pass is an ExtractError at once.
    """
    pager = resource.pager()
    fetcher = resource.fetcher(chain, pager)
    first = pager.first()
    small = {name: 1 for name in first.params if name in pager.sizes}
    first = msgspec.structs.replace(first, params={**first.params, **small})
    is_fine = resource.config.on_not_found == "empty"
    try:
        answer, split = await fetcher.admitted(
            lambda: fetcher.attempt(first, may_be_past_end=is_fine)
        )
        if split is None:
            split = await fetcher.split(answer)
    except Transient as exc:
        reason = f"{exc.reason}; check `base_url`, and that the server is up"
        raise fetcher.located(ExtractError(reason), first) from exc
    except (AuthError, ExtractError, PageError) as exc:
        raise fetcher.located(exc, first) from exc.__cause__
    return answer, split
