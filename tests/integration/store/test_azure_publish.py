"""The commit protocol over Azurite, with one request of a run going wrong at a time."""

from __future__ import annotations

import pytest

from bronze_engine.errors import BronzeError
from bronze_engine.publish.lease import lease_key
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import (
    Fault,
    Request,
    answer,
    apply_then_answer,
    lose_answer,
    lose_request,
)
from tests.integration.store.azure_opened import config_of, opened
from tests.integration.store.azure_proxied import proxied
from tests.unit.publish.runs import (
    ENTITY,
    MANIFEST_KEY,
    RUN_DATE,
    SYSTEM,
    assert_clean,
    publish_run,
    read_partition,
    whole_run,
)

pytestmark = pytest.mark.integration


def is_manifest(request: Request) -> bool:
    return request.method == "PUT" and request.path.endswith(MANIFEST_KEY)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [lose_answer, apply_then_answer(500, "InternalError")])
async def test_commit_applied_and_acknowledgement_lost_is_one_generation(
    fault: Fault, azurite: Azurite
) -> None:
    async with proxied(azurite) as (proxy, store, direct):
        await publish_run(direct, "r0")
        proxy.fail(fault, when=is_manifest)
        published = await publish_run(store, "r1")
        assert (published.manifest.generation, published.superseded_by) == (2, None)
        assert len([request for request in proxy.seen if is_manifest(request)]) == 1
        assert await read_partition(direct) == "r1"


@pytest.mark.asyncio
async def test_commit_that_never_arrived_is_sent_again(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, direct):
        proxy.fail(lose_request, when=is_manifest)
        assert (await publish_run(store, "r1")).manifest.generation == 1
        assert len([request for request in proxy.seen if is_manifest(request)]) == 2
        assert await read_partition(direct) == "r1"


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [lose_request, lose_answer, answer(403)])
async def test_one_bad_request_of_a_run_leaves_old_or_new(fault: Fault, azurite: Azurite) -> None:
    """Each over what the one before has left, by a store that is opened anew."""
    async with proxied(azurite) as (proxy, store, direct):
        await whole_run(direct, "old")
        await whole_run(store, "first")
        requests = list(proxy.seen)
        assert len(requests) > 20
        config = config_of(azurite.url.replace(azurite.origin, proxy.origin), store.url)
        old = "first"
        for place, request in enumerate(requests):
            proxy.fail(fault, after=place)
            new = f"new{place}"
            error: BronzeError | None = None
            try:
                async with opened(config) as faulty:
                    await whole_run(faulty, new)
            except BronzeError as exc:
                error = exc
            seen = await read_partition(direct)
            if error is None:
                assert seen == new, request
            elif fault in (lose_request, lose_answer):
                raise AssertionError(f"{request} was lost, and the run failed") from error
            else:
                assert seen in {old, new}, request
            proxy.heal()
            # As running out would, where it could not be given back.
            await direct.delete(lease_key(SYSTEM, ENTITY, RUN_DATE))
            old = f"old{place}"
            await whole_run(direct, old)
            await assert_clean(direct, old)
