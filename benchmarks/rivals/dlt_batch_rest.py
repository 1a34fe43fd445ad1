"""dlt's rest_api sources into its filesystem destination, as Parquet: many streams, one process.

`together`: one pipeline with every stream as a resource that is parallelized, the fastest of its
ways, in which one stream that fails ends all. `apart`: a pipeline a stream, one after another, as
jobs that must not fail together are run. Both at the best settings of `dlt_rest`.
"""

from __future__ import annotations

import os

from benchmarks.jobs.batch import ApisJob
from benchmarks.jobs.job import run

os.environ.update(
    {
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "EXTRACT__WORKERS": "16",
    }
)

from typing import Any

from dlt.sources.rest_api import rest_api_source

from benchmarks.rivals.dlt_lake import pipeline


def source(job: ApisJob, url: str, names: list[str]) -> Any:
    return rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "bearer", "token": job.token},
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "page_param": "page",
                    "total_path": None,
                    "maximum_page": job.pages + 1,  # the first that is not read
                },
            },
            "resources": [
                {
                    "name": name,
                    "max_table_nesting": 0,
                    "write_disposition": "replace",
                    "parallelized": True,
                    "endpoint": {
                        "path": "orders",
                        "params": {"page_size": job.page_size},
                        "data_selector": "data",
                    },
                }
                for name in names
            ],
        },
        name=f"api_{job.urls.index(url)}",
    )


def land(job: ApisJob) -> None:
    if job.is_apart:
        for name, url in job.streams():
            pipeline(job.out, name=name).run(source(job, url, [name]), loader_file_format="parquet")
        return
    sources = [
        source(job, url, [name for name, of in job.streams() if of == url]) for url in job.urls
    ]
    pipeline(job.out).run(sources, loader_file_format="parquet")


if __name__ == "__main__":
    run(ApisJob, land)
