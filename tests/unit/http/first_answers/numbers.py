"""APIs whose pages are counted, by page or by record."""

from __future__ import annotations

from tests.unit.http.first_answers.known import ROWS, TEXT_ROWS, Known

__all__ = ["NUMBERS"]

NUMBERS = [
    Known(
        name="Jira by offset",
        url="https://x.atlassian.net/rest/api/2/search?jql=project=A",
        body={
            "expand": "schema,names",
            "startAt": 0,
            "maxResults": 50,
            "total": 340,
            "issues": [{"id": "1", "key": "A-1", "fields": {"labels": ["x"]}}],
        },
        paginator={
            "type": "offset",
            "offset_param": "startAt",
            "size_param": "maxResults",
            "page_size": 50,
            "total_path": "total",
        },
        records="issues",
        confidence="likely",
    ),
    Known(
        name="Mailchimp",
        url="https://us1.api.mailchimp.com/3.0/lists/l/members",
        body={
            "members": [{"id": "a", "_links": [{"rel": "self", "href": "https://x"}]}] * 2,
            "list_id": "l",
            "total_items": 90,
            "_links": [{"rel": "self", "href": "https://us1.api.mailchimp.com/3.0/lists/l"}],
        },
        paginator={
            "type": "offset",
            "size_param": "count",
            "page_size": 2,
            "total_path": "total_items",
        },
        records="members",
        confidence="likely",
    ),
    Known(
        name="Spring Data",
        url="https://x.example/api/books",
        body={
            "content": ROWS,
            "pageable": {"sort": {"sorted": False}, "offset": 0, "pageSize": 2, "pageNumber": 0},
            "totalPages": 7,
            "totalElements": 13,
            "last": False,
            "size": 2,
            "number": 0,
            "first": True,
            "numberOfElements": 2,
        },
        paginator={"type": "page", "start": 0, "total_path": "totalElements"},
        records="content",
        confidence="likely",
    ),
    Known(
        name="Elasticsearch",
        url="http://localhost:9200/orders/_search",
        body={
            "took": 3,
            "timed_out": False,
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "hits": {
                "total": {"value": 40, "relation": "eq"},
                "max_score": 1.0,
                "hits": [{"_id": "1", "_source": {"x": 1}}, {"_id": "2", "_source": {"x": 2}}],
            },
        },
        paginator={
            "type": "offset",
            "offset_param": "from",
            "size_param": "size",
            "page_size": 2,
            "total_path": "hits.total.value",
        },
        records="hits.hits",
        confidence="likely",
    ),
    Known(
        name="SCIM",
        url="https://x.example/scim/v2/Users",
        body={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 9,
            "startIndex": 1,
            "itemsPerPage": 2,
            "Resources": TEXT_ROWS,
        },
        paginator={
            "type": "offset",
            "offset_param": "startIndex",
            "start": 1,
            "size_param": "count",
            "page_size": 2,
            "total_path": "totalResults",
        },
        records="Resources",
        confidence="likely",
    ),
    Known(
        name="page numbers with their number",
        url="https://x.example/v1/invoices?page=1&per_page=2",
        body={
            "invoices": ROWS,
            "meta": {"page": 1, "per_page": 2, "total_pages": 4},
        },
        paginator={
            "type": "page",
            "size_param": "per_page",
            "page_size": 2,
            "total_pages_path": "meta.total_pages",
        },
        records="invoices",
        confidence="likely",
    ),
]
