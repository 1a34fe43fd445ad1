"""What a good engineer would write: asyncio.gather and a semaphore, a Parquet file a stream.

Streams side by side, 16 at once, the pages of one after another. No retries, no limits a server, no
atomic publication; a stream that fails ends all.
"""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.jobs.batch import ApisJob
from benchmarks.jobs.job import run

AT_ONCE = 16


async def land(job: ApisJob) -> None:
    limit = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {job.token}"}) as session:

        async def stream(name: str, url: str) -> None:
            async with limit:
                records: list[dict[str, object]] = []
                for page in range(1, job.pages + 1):
                    params = {"page": page, "page_size": job.page_size}
                    async with session.get(f"{url}/orders", params=params) as answer:
                        answer.raise_for_status()
                        records += orjson.loads(await answer.read())["data"]
                table = pa.Table.from_pylist(records)
                path = job.out / f"{name}.parquet"
                await asyncio.to_thread(pq.write_table, table, path, compression="zstd")  # noqa: TID251

        await asyncio.gather(*(stream(name, url) for name, url in job.streams()))


if __name__ == "__main__":
    run(ApisJob, lambda job: asyncio.run(land(job)))
