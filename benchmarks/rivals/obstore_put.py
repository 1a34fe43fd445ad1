"""obstore's put of an iterator, the fastest of its ways here, 12 parts in flight (its default).

In the variant `sha256` each part carries its SHA-256; else nothing is hashed at all, not even
for the signature: that is the limit.
"""

from __future__ import annotations

import obstore
from obstore.store import S3Store

from benchmarks.jobs.job import measured, told
from benchmarks.jobs.upload import BLOCK_BYTES, BUCKET, KEY, UploadJob


def main() -> None:
    job = told(UploadJob)
    store = S3Store(
        BUCKET,
        endpoint=job.url,
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",  # noqa: S106  # of a server that asks for none
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        **(
            {"checksum_algorithm": "SHA256"}
            if job.variant == "sha256"
            else {"unsigned_payload": True}
        ),
    )
    blocks = job.blocks()
    with measured():
        obstore.put(store, KEY, blocks, chunk_size=BLOCK_BYTES)


if __name__ == "__main__":
    main()
