"""boto3's upload_fileobj at its defaults: parts of 8 MiB, ten threads, CRC32.

Over plain HTTP botocore signs the body too, which hashes it once more. The variant `unsigned`
leaves that out, as it would be over TLS.
"""

from __future__ import annotations

import boto3
from botocore.config import Config

from benchmarks.jobs.job import measured, told
from benchmarks.jobs.upload import BUCKET, KEY, Reader, UploadJob


def main() -> None:
    job = told(UploadJob)
    settings: dict[str, object] = {"addressing_style": "path"}
    if job.variant == "unsigned":
        settings["payload_signing_enabled"] = False
    client = boto3.client(
        "s3",
        endpoint_url=job.url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106  # of a server that asks for none
        config=Config(s3=settings),
    )
    content = Reader(job)
    with measured():
        client.upload_fileobj(content, BUCKET, KEY)


if __name__ == "__main__":
    main()
