"""What a good engineer would write in an hour: aiohttp, orjson and pyarrow, pages side by side.

No retries, no limits, no schema drift, no atomic publication; 32 requests in flight.
"""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.jobs.api import ApiJob
from benchmarks.jobs.job import run
from benchmarks.rivals.pyarrow_lake import lake

IN_FLIGHT = 32


async def land(job: ApiJob) -> None:
    pages = range(1, -(-job.records // job.page_size) + 1)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {job.token}"}) as session:

        async def fetch(page: int) -> list[dict[str, object]]:
            params = {"page": page, "page_size": job.page_size}
            async with session.get(f"{job.url}/orders", params=params) as answer:
                answer.raise_for_status()
                records: list[dict[str, object]] = orjson.loads(await answer.read())["data"]
                return records

        first = pa.Table.from_pylist(await fetch(1))
        files, folder = lake(job.store, job.out)
        place = f"{folder}/orders.parquet"
        with pq.ParquetWriter(place, first.schema, filesystem=files, compression="zstd") as file:
            file.write_table(first)
            ahead = [asyncio.create_task(fetch(page)) for page in pages[1 : IN_FLIGHT + 1]]
            following = iter(pages[IN_FLIGHT + 1 :])
            group: list[dict[str, object]] = []
            while ahead:
                group += await ahead.pop(0)
                if (page := next(following, None)) is not None:
                    ahead.append(asyncio.create_task(fetch(page)))
                if len(group) >= 50_000 or not ahead:
                    table = pa.Table.from_pylist(group, schema=first.schema)
                    await asyncio.to_thread(file.write_table, table)  # noqa: TID251
                    group = []


if __name__ == "__main__":
    run(ApiJob, lambda job: asyncio.run(land(job)))
