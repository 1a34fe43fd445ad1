"""s3fs as a file that is written, in blocks of 8 MiB; its default is 50 MiB, and slower here."""

from __future__ import annotations

import s3fs

from benchmarks.jobs.job import measured, told
from benchmarks.jobs.upload import BLOCK_BYTES, BUCKET, KEY, UploadJob


def main() -> None:
    job = told(UploadJob)
    files = s3fs.S3FileSystem(
        key="key",
        secret="secret",  # noqa: S106  # of a server that asks for none
        endpoint_url=job.url,
        client_kwargs={"region_name": "us-east-1"},
        config_kwargs={"s3": {"addressing_style": "path"}},
    )
    files.connect()
    blocks = job.blocks()
    with measured(), files.open(f"{BUCKET}/{KEY}", "wb", block_size=BLOCK_BYTES) as file:
        for block in blocks:
            file.write(block)


if __name__ == "__main__":
    main()
