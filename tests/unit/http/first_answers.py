"""First answers of well-known APIs, shortened to what tells their kind of paging.

Shapes are those of the vendors' references; values are invented.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["ANSWERS", "Known"]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An API's first answer, and what is to be found in it."""

    name: str
    url: str
    body: Any
    paginator: dict[str, Any]
    records: str | None
    headers: dict[str, str] = {}
    json: Any = None
    confidence: str = "certain"


_ROWS = [{"id": 11, "name": "a"}, {"id": 12, "name": "b"}]
_TEXT_ROWS = [{"id": "c_1", "object": "customer"}, {"id": "c_2", "object": "customer"}]

ANSWERS = [
    Known(
        name="GitHub issues",
        url="https://api.github.com/repos/o/r/issues?per_page=2",
        headers={
            "link": '<https://api.github.com/repositories/1/issues?per_page=2&page=2>; rel="next", '
            '<https://api.github.com/repositories/1/issues?per_page=2&page=9>; rel="last"'
        },
        body=_ROWS,
        paginator={"type": "link_header", "size_param": "per_page", "page_size": 2},
        records=None,
    ),
    Known(
        name="GitHub search",
        url="https://api.github.com/search/code?q=x",
        headers={"link": '<https://api.github.com/search/code?q=x&page=2>; rel="next"'},
        body={"total_count": 40, "incomplete_results": False, "items": _ROWS},
        paginator={"type": "link_header"},
        records="items",
    ),
    Known(
        name="GitLab",
        url="https://gitlab.com/api/v4/projects",
        headers={
            "link": '<https://gitlab.com/api/v4/projects?page=2>; rel="next"',
            "x-next-page": "2",
            "x-page": "1",
            "x-total": "60",
        },
        body=_ROWS,
        paginator={"type": "link_header"},
        records=None,
    ),
    Known(
        name="Stripe",
        url="https://api.stripe.com/v1/customers?limit=2",
        body={"object": "list", "url": "/v1/customers", "has_more": True, "data": _TEXT_ROWS},
        paginator={
            "type": "keyset",
            "key": "id",
            "param": "starting_after",
            "has_more_path": "has_more",
            "size_param": "limit",
            "page_size": 2,
        },
        records="data",
        confidence="likely",
    ),
    Known(
        name="Stripe search",
        url="https://api.stripe.com/v1/customers/search?query=x",
        body={
            "object": "search_result",
            "url": "/v1/customers/search",
            "has_more": True,
            "next_page": "WyJjdXNfMTIzIl0=",
            "data": _TEXT_ROWS,
        },
        paginator={
            "type": "cursor",
            "cursor_path": "next_page",
            "cursor_param": "page",
            "has_more_path": "has_more",
        },
        records="data",
        confidence="guess",
    ),
    Known(
        name="Shopify REST",
        url="https://s.myshopify.com/admin/api/2025-01/orders.json?limit=2",
        headers={
            "link": "<https://s.myshopify.com/admin/api/2025-01/orders.json?limit=2"
            '&page_info=eyJsYXN0X2lkIjo0fQ>; rel="next"'
        },
        body={"orders": [{"id": 1, "line_items": [{"id": 5}]}, {"id": 2, "line_items": []}]},
        paginator={"type": "link_header", "size_param": "limit", "page_size": 2},
        records="orders",
    ),
    Known(
        name="Shopify GraphQL",
        url="https://s.myshopify.com/admin/api/2025-01/graphql.json",
        json={"query": "query($cursor: String) { orders(first: 2, after: $cursor) { … } }"},
        body={
            "data": {
                "orders": {
                    "nodes": _TEXT_ROWS,
                    "pageInfo": {"hasNextPage": True, "endCursor": "eyJsYXN0"},
                }
            },
            "extensions": {"cost": {"throttleStatus": {"currentlyAvailable": 990}}},
        },
        paginator={
            "type": "graphql",
            "page_info_path": "data.orders.pageInfo",
            "variable": "cursor",
        },
        records="data.orders.nodes",
    ),
    Known(
        name="GitHub GraphQL",
        url="https://api.github.com/graphql",
        json={"query": "query($after: String) { repository { issues(after: $after) { … } } }"},
        body={
            "data": {
                "repository": {
                    "issues": {
                        "edges": [{"cursor": "Y1", "node": {"id": 1}}],
                        "pageInfo": {"endCursor": "Y1", "hasNextPage": True},
                    }
                }
            }
        },
        paginator={"type": "graphql", "page_info_path": "data.repository.issues.pageInfo"},
        records="$.data.repository.issues.edges[*].node",
    ),
    Known(
        name="Salesforce query",
        url="https://x.my.salesforce.com/services/data/v60.0/query?q=SELECT",
        body={
            "totalSize": 5000,
            "done": False,
            "nextRecordsUrl": "/services/data/v60.0/query/01gD0000002HU6KIAW-2000",
            "records": [{"attributes": {"type": "Account"}, "Id": "001"}],
        },
        paginator={"type": "next_url", "next_path": "nextRecordsUrl"},
        records="records",
    ),
    Known(
        name="Salesforce bulk results",
        url="https://x.my.salesforce.com/services/data/v60.0/jobs/query/750/results?maxRecords=2",
        headers={"sforce-locator": "MTAwMDA", "sforce-numberofrecords": "2"},
        body=_ROWS,
        paginator={
            "type": "header_cursor",
            "cursor_header": "Sforce-Locator",
            "cursor_param": "locator",
            "size_param": "maxRecords",
            "page_size": 2,
        },
        records=None,
    ),
    Known(
        name="HubSpot",
        url="https://api.hubapi.com/crm/v3/objects/contacts",
        body={
            "results": [{"id": "1", "properties": {}}],
            "paging": {
                "next": {
                    "after": "NTI1Cg%3D%3D",
                    "link": "https://api.hubapi.com/crm/v3/objects/contacts?after=NTI1Cg%3D%3D",
                }
            },
        },
        paginator={"type": "next_url", "next_path": "paging.next.link"},
        records="results",
    ),
    Known(
        name="HubSpot search",
        url="https://api.hubapi.com/crm/v3/objects/contacts/search",
        json={"limit": 1},
        body={"total": 9, "results": [{"id": "1"}], "paging": {"next": {"after": "1"}}},
        paginator={
            "type": "cursor",
            "cursor_path": "paging.next.after",
            "cursor_param": "after",
            "param_in": "body",
            "size_param": "limit",
            "page_size": 1,
        },
        records="results",
        confidence="likely",
    ),
    Known(
        name="Zendesk by cursor",
        url="https://x.zendesk.com/api/v2/tickets.json?page[size]=2",
        body={
            "tickets": [{"id": 1, "tags": ["a"]}],
            "meta": {"has_more": True, "after_cursor": "eyJvIjo", "before_cursor": "eyJvIjp"},
            "links": {
                "next": "https://x.zendesk.com/api/v2/tickets.json?page%5Bafter%5D=eyJvIjo",
                "prev": "https://x.zendesk.com/api/v2/tickets.json?page%5Bbefore%5D=eyJvIjp",
            },
        },
        paginator={
            "type": "next_url",
            "next_path": "links.next",
            "size_param": "page[size]",
            "page_size": 2,
        },
        records="tickets",
    ),
    Known(
        name="Zendesk by offset",
        url="https://x.zendesk.com/api/v2/users.json",
        body={
            "users": _ROWS,
            "next_page": "https://x.zendesk.com/api/v2/users.json?page=2",
            "previous_page": None,
            "count": 1234,
        },
        paginator={"type": "next_url", "next_path": "next_page"},
        records="users",
    ),
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
        name="Jira by token",
        url="https://x.atlassian.net/rest/api/3/search/jql?jql=project=A",
        body={"issues": [{"id": "1"}], "isLast": False, "nextPageToken": "CAEaAggB"},
        paginator={
            "type": "cursor",
            "cursor_path": "nextPageToken",
            "cursor_param": "nextPageToken",
        },
        records="issues",
        confidence="likely",
    ),
    Known(
        name="Confluence",
        url="https://wiki.example.com/rest/api/content",
        body={
            "results": _ROWS,
            "start": 0,
            "limit": 2,
            "size": 2,
            "_links": {
                "base": "https://wiki.example.com",
                "next": "/rest/api/content?limit=2&start=2",
                "self": "https://wiki.example.com/rest/api/content",
            },
        },
        paginator={"type": "next_url", "next_path": "_links.next"},
        records="results",
    ),
    Known(
        name="Slack",
        url="https://slack.com/api/conversations.history?channel=C1&limit=2",
        body={
            "ok": True,
            "messages": [{"type": "message", "ts": "1.2"}],
            "has_more": True,
            "response_metadata": {"next_cursor": "bmV4dF90czox"},
        },
        paginator={
            "type": "cursor",
            "cursor_path": "response_metadata.next_cursor",
            "cursor_param": "cursor",
            "has_more_path": "has_more",
            "size_param": "limit",
            "page_size": 2,
        },
        records="messages",
        confidence="likely",
    ),
    Known(
        name="Notion",
        url="https://api.notion.com/v1/databases/d/query",
        json={"page_size": 2},
        body={
            "object": "list",
            "results": [{"object": "page", "id": "a-1", "properties": {}}],
            "next_cursor": "33e19cb9-751f-4993-b74d-234d67d0d534",
            "has_more": True,
            "type": "page_or_database",
        },
        paginator={
            "type": "cursor",
            "cursor_path": "next_cursor",
            "cursor_param": "start_cursor",
            "param_in": "body",
            "has_more_path": "has_more",
            "size_param": "page_size",
            "page_size": 2,
        },
        records="results",
        confidence="likely",
    ),
    Known(
        name="Airtable",
        url="https://api.airtable.com/v0/app/Table",
        body={
            "records": [{"id": "rec1", "createdTime": "2025-01-01T00:00:00.000Z", "fields": {}}],
            "offset": "itrKLmNoPqRsTuVwX/rec1",
        },
        paginator={"type": "cursor", "cursor_path": "offset", "cursor_param": "offset"},
        records="records",
        confidence="guess",
    ),
    Known(
        name="Microsoft Graph",
        url="https://graph.microsoft.com/v1.0/users?$top=2",
        body={
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users",
            "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$top=2&$skiptoken=RFNw",
            "value": _ROWS,
        },
        paginator={
            "type": "next_url",
            "next_path": "@odata.nextLink",
            "size_param": "$top",
            "page_size": 2,
        },
        records="value",
    ),
    Known(
        name="Google Calendar",
        url="https://www.googleapis.com/calendar/v3/calendars/primary/events?maxResults=2",
        body={
            "kind": "calendar#events",
            "nextSyncToken": "CPDAlvWDx70CEPDAlvWDx70CGAU=",
            "defaultReminders": [{"method": "popup", "minutes": 10}],
            "nextPageToken": "EiwKDDY4b3",
            "items": _TEXT_ROWS,
        },
        paginator={
            "type": "cursor",
            "cursor_path": "nextPageToken",
            "cursor_param": "pageToken",
            "size_param": "maxResults",
            "page_size": 2,
        },
        records="items",
        confidence="likely",
    ),
    Known(
        name="X (Twitter) timelines",
        url="https://api.x.com/2/users/1/tweets?max_results=5",
        body={
            "data": _TEXT_ROWS,
            "includes": {"users": [{"id": "9"}]},
            "meta": {"result_count": 2, "next_token": "7140dibdnow9c7btw", "newest_id": "3"},
        },
        paginator={
            "type": "cursor",
            "cursor_path": "meta.next_token",
            "cursor_param": "pagination_token",
            "size_param": "max_results",
            "page_size": 5,
        },
        records="data",
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
        name="Klaviyo (JSON:API)",
        url="https://a.klaviyo.com/api/profiles",
        body={
            "data": [{"type": "profile", "id": "1", "links": {"self": "https://a.klaviyo.com/1"}}],
            "links": {
                "self": "https://a.klaviyo.com/api/profiles",
                "next": "https://a.klaviyo.com/api/profiles?page%5Bcursor%5D=bmV4dA",
                "prev": None,
            },
        },
        paginator={"type": "next_url", "next_path": "links.next"},
        records="data",
    ),
    Known(
        name="JSON:API, the only page",
        url="https://x.example/articles",
        body={
            "jsonapi": {"version": "1.1"},
            "data": [{"type": "articles", "id": "1"}],
            "included": [{"type": "people", "id": "9"}, {"type": "people", "id": "10"}],
            "links": {"self": "https://x.example/articles", "next": None},
        },
        paginator={"type": "next_url", "next_path": "links.next"},
        records="data",
        confidence="likely",
    ),
    Known(
        name="Twilio",
        url="https://api.twilio.com/2010-04-01/Accounts/AC/Messages.json",
        body={
            "page": 0,
            "page_size": 2,
            "start": 0,
            "end": 1,
            "uri": "/2010-04-01/Accounts/AC/Messages.json?PageSize=2&Page=0",
            "next_page_uri": "/2010-04-01/Accounts/AC/Messages.json?PageSize=2&Page=1&PageToken=P",
            "previous_page_uri": None,
            "messages": _TEXT_ROWS,
        },
        paginator={"type": "next_url", "next_path": "next_page_uri"},
        records="messages",
    ),
    Known(
        name="Square",
        url="https://connect.squareup.com/v2/customers",
        body={"customers": _TEXT_ROWS, "cursor": "FxASDFqwerzxcv123"},
        paginator={"type": "cursor", "cursor_path": "cursor", "cursor_param": "cursor"},
        records="customers",
        confidence="guess",
    ),
    Known(
        name="Intercom",
        url="https://api.intercom.io/contacts",
        body={
            "type": "list",
            "data": [{"type": "contact", "id": "1"}],
            "total_count": 30,
            "pages": {
                "type": "pages",
                "next": {"page": 2, "starting_after": "Wzk1LDEwXQ=="},
                "page": 1,
                "per_page": 1,
                "total_pages": 30,
            },
        },
        paginator={
            "type": "cursor",
            "cursor_path": "pages.next.starting_after",
            "cursor_param": "starting_after",
        },
        records="data",
        confidence="likely",
    ),
    Known(
        name="Asana",
        url="https://app.asana.com/api/1.0/tasks?limit=2",
        body={
            "data": [{"gid": "1", "name": "x", "resource_type": "task"}],
            "next_page": {
                "offset": "eyJ0eXAiOiJKV1QiLCJhbGciOi",
                "path": "/tasks?limit=2&offset=eyJ0eXAi",
                "uri": "https://app.asana.com/api/1.0/tasks?limit=2&offset=eyJ0eXAi",
            },
        },
        paginator={
            "type": "next_url",
            "next_path": "next_page.uri",
            "size_param": "limit",
            "page_size": 2,
        },
        records="data",
    ),
    Known(
        name="PokeAPI",
        url="https://pokeapi.co/api/v2/pokemon",
        body={
            "count": 1302,
            "next": "https://pokeapi.co/api/v2/pokemon?offset=2&limit=2",
            "previous": None,
            "results": [{"name": "bulbasaur", "url": "https://pokeapi.co/api/v2/pokemon/1/"}],
        },
        paginator={"type": "next_url", "next_path": "next"},
        records="results",
    ),
    Known(
        name="Django REST framework, the only page",
        url="https://x.example/api/users/",
        body={"count": 2, "next": None, "previous": None, "results": _ROWS},
        paginator={"type": "next_url", "next_path": "next"},
        records="results",
        confidence="likely",
    ),
    Known(
        name="HAL",
        url="https://x.example/orders",
        body={
            "_links": {"self": {"href": "/orders"}, "next": {"href": "/orders?page=2"}},
            "currentlyProcessing": 14,
            "_embedded": {"orders": [{"id": 1, "_links": {"self": {"href": "/orders/1"}}}]},
        },
        paginator={"type": "next_url", "next_path": "_links.next.href"},
        records="_embedded.orders",
    ),
    Known(
        name="Spring Data",
        url="https://x.example/api/books",
        body={
            "content": _ROWS,
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
        name="Laravel",
        url="https://x.example/api/posts",
        body={
            "current_page": 1,
            "data": _ROWS,
            "first_page_url": "https://x.example/api/posts?page=1",
            "from": 1,
            "last_page": 5,
            "next_page_url": "https://x.example/api/posts?page=2",
            "per_page": 2,
            "prev_page_url": None,
            "to": 2,
            "total": 9,
        },
        paginator={"type": "next_url", "next_path": "next_page_url"},
        records="data",
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
            "Resources": _TEXT_ROWS,
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
        name="Facebook Graph",
        url="https://graph.facebook.com/v19.0/me/posts?limit=1",
        body={
            "data": [{"id": "1_2"}],
            "paging": {
                "cursors": {"before": "QVFI", "after": "QVFJ"},
                "next": "https://graph.facebook.com/v19.0/me/posts?limit=1&after=QVFJ",
            },
        },
        paginator={
            "type": "next_url",
            "next_path": "paging.next",
            "size_param": "limit",
            "page_size": 1,
        },
        records="data",
    ),
    Known(
        name="page numbers with their number",
        url="https://x.example/v1/invoices?page=1&per_page=2",
        body={
            "invoices": _ROWS,
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
    Known(
        name="Azure DevOps",
        url="https://dev.azure.com/o/_apis/git/repositories",
        headers={"x-ms-continuationtoken": "1234;x"},
        body={"count": 2, "value": _ROWS},
        paginator={
            "type": "header_cursor",
            "cursor_header": "X-Ms-Continuationtoken",
            "cursor_param": "continuationToken",
        },
        records="value",
    ),
]
