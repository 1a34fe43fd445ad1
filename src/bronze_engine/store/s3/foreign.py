"""Answers that are not S3's, or lack what S3's have: a proxy, a login page or another program may
answer 200, too, and not every server that calls itself compatible is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["is_foreign", "lacking", "leads_to", "stop_asking_whoever_redirects"]

_ALWAYS: Final = {
    "complete_multipart_upload": "ETag",
    "create_multipart_upload": "UploadId",
    "get_object": "ETag",
    "head_object": "ETag",
    "list_multipart_uploads": "IsTruncated",
    "list_objects_v2": "IsTruncated",
    "list_parts": "IsTruncated",
    "put_object": "ETag",
    "upload_part": "ETag",
}
"""What every answer to these has (https://docs.aws.amazon.com/AmazonS3/latest/API/). Without
it a page would be read as a listing of nothing."""
_MORE: Final[Mapping[str, Sequence[str]]] = {
    "head_object": ("ContentLength", "LastModified"),
}
"""What else we need of these."""
_LISTED: Final[Mapping[str, tuple[str, Sequence[str], Sequence[str]]]] = {
    "list_multipart_uploads": (
        *("Uploads", ("Key", "UploadId")),
        ("NextKeyMarker", "NextUploadIdMarker"),
    ),
    "list_objects_v2": (
        *("Contents", ("Key", "Size", "ETag", "LastModified")),
        ("NextContinuationToken",),
    ),
}
"""What a listing lists, what each entry has, and what one that goes on says of where."""
_REGION: Final = "x-amz-bucket-region"


def is_foreign(method: str, answer: Mapping[str, Any]) -> bool:
    """Whether somebody else than S3 has answered 200 to the client's `method`."""
    field = _ALWAYS.get(method)
    if field is not None:
        return field not in answer
    metadata = answer["ResponseMetadata"]
    kind: str = metadata["HTTPHeaders"].get("content-type", "")
    return metadata["HTTPStatusCode"] == 200 and kind.startswith("text/html")


def lacking(method: str, answer: Mapping[str, Any]) -> str | None:
    """What is missing from an answer to the client's `method`; None where all is there."""
    for field in _MORE.get(method, ()):
        if field not in answer:
            return field
    if method not in _LISTED:
        return None
    name, fields, where = _LISTED[method]
    for each in answer.get(name, ()):
        for field in fields:
            if field not in each:
                entry = f" (of {each['Key']!r})" if "Key" in each else ""
                return f"{field} of an entry of {name}{entry}"
    if answer["IsTruncated"]:
        for field in where:
            if field not in answer:
                return f"{field} of a listing that goes on"
    return None


def leads_to(metadata: Mapping[str, Any]) -> str | None:
    """The origin that a refusal sends us to, where that is no region of S3's."""
    headers = metadata.get("HTTPHeaders", {})
    url = urlsplit(headers.get("location", ""))
    is_redirect = 300 <= metadata.get("HTTPStatusCode", 0) < 400
    if not is_redirect or _REGION in headers or not url.hostname:
        return None
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def stop_asking_whoever_redirects(client: Any) -> None:
    """Let a bucket's HEAD that is redirected be an error.

    botocore asks for the region of a bucket by its HEAD, by another HEAD where that is
    redirected as well, and so on without an end.
    """

    def judge(response: Any, request_dict: dict[str, Any], operation: Any, **_: object) -> None:
        if response is None or operation.name != "HeadBucket":
            return
        metadata = response[1].get("ResponseMetadata", {})
        if _REGION not in metadata.get("HTTPHeaders", {}):
            request_dict["context"]["s3_redirect"]["redirected"] = True

    client.meta.events.register_first("needs-retry.s3", judge)
