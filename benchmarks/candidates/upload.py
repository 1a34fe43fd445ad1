"""Ours: an encoder's sink in a worker, its parts to the S3 store as pipelines use it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Final

from benchmarks.candidates.lag import Ticker
from benchmarks.jobs.job import measured, told
from benchmarks.jobs.upload import BUCKET, KEY, UploadJob
from bronze_engine.adapters import open_store
from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.contracts import Store
from bronze_engine.encode.sink import PART_BYTES, PartSink
from bronze_engine.model.part import Part
from bronze_engine.workers import Workers

PIECES_A_JOB: Final = 8
"""A row group, one job of a worker: 16 MiB of Arrow, the default, at two to one."""


async def main(job: UploadJob) -> None:
    config = S3StoreConfig(
        url=f"s3://{BUCKET}",
        endpoint_url=job.url,
        region="us-east-1",
        addressing_style="path",
        access_key_id="key",
        secret_access_key=Secret("secret"),
    )
    pieces = job.pieces()
    with Workers(2) as workers:
        async with open_store(config, workers) as store:
            with measured() as extra, ExitStack() as stack:
                ticker = Ticker()
                if job.variant == "lag":
                    stack.callback(asyncio.create_task(ticker.tick()).cancel)
                await upload(pieces, store, workers)
                if job.variant == "lag":
                    extra["lag_ms"] = ticker.statistics()


async def upload(pieces: Iterator[bytes], store: Store, workers: Workers) -> None:
    sink = PartSink(PART_BYTES)

    def write(row_group: Sequence[bytes]) -> Sequence[Part]:
        for piece in row_group:
            sink.write(piece)
        return sink.take()

    async with store.stage(KEY) as staging:
        while row_group := list(islice(pieces, PIECES_A_JOB)):
            for part in await workers.run(write, row_group):
                await staging.part(part)
        parts, file = await workers.run(lambda: sink.end(name=KEY, row_count=1))
        for part in parts:
            await staging.part(part)
        staged = await staging.seal(file)
    await store.complete(staged)


if __name__ == "__main__":
    asyncio.run(main(told(UploadJob)))
