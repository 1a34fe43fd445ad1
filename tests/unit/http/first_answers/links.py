"""APIs whose answers hold the address of the next page, in a header or in the body."""

from __future__ import annotations

from tests.unit.http.first_answers.known import ROWS, TEXT_ROWS, Known

__all__ = ["LINKS"]

LINKS = [
    Known(
        name="GitHub issues",
        url="https://api.github.com/repos/o/r/issues?per_page=2",
        headers={
            "link": '<https://api.github.com/repositories/1/issues?per_page=2&page=2>; rel="next", '
            '<https://api.github.com/repositories/1/issues?per_page=2&page=9>; rel="last"'
        },
        body=ROWS,
        paginator={"type": "link_header", "size_param": "per_page", "page_size": 2},
        records=None,
    ),
    Known(
        name="GitHub search",
        url="https://api.github.com/search/code?q=x",
        headers={"link": '<https://api.github.com/search/code?q=x&page=2>; rel="next"'},
        body={"total_count": 40, "incomplete_results": False, "items": ROWS},
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
        body=ROWS,
        paginator={"type": "link_header"},
        records=None,
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
        name="FHIR",
        url="https://r4.example.org/Patient?_count=2",
        body={
            "resourceType": "Bundle",
            "total": 40,
            "link": [
                {"relation": "self", "url": "https://r4.example.org/Patient?_count=2"},
                {"relation": "next", "url": "https://r4.example.org/?_getpages=7f3a&_off=2"},
            ],
            "entry": [{"resource": {"id": "a"}}, {"resource": {"id": "b"}}],
        },
        paginator={
            "type": "next_url",
            "next_path": "link",
            "size_param": "_count",
            "page_size": 2,
        },
        records="entry",
    ),
    Known(
        name="NetSuite",
        url="https://1.suitetalk.api.netsuite.com/services/rest/record/v1/customer?limit=2",
        body={
            "links": [
                {"rel": "self", "href": "https://1.suitetalk.api.netsuite.com/customer?limit=2"},
                {
                    "rel": "next",
                    "href": "https://1.suitetalk.api.netsuite.com/customer?limit=2&offset=2",
                },
            ],
            "count": 2,
            "hasMore": True,
            "items": [{"links": [], "id": "1"}, {"links": [], "id": "2"}],
            "offset": 0,
            "totalResults": 40,
        },
        paginator={"type": "next_url", "next_path": "links", "size_param": "limit", "page_size": 2},
        records="items",
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
        name="Zendesk's stream of changes",
        url="https://x.zendesk.com/api/v2/incremental/tickets.json?start_time=0",
        body={
            "tickets": ROWS,
            "count": 2,
            "next_page": "https://x.zendesk.com/api/v2/incremental/tickets.json?start_time=9",
            "end_time": 9,
            "end_of_stream": True,
        },
        paginator={
            "type": "next_url",
            "next_path": "next_page",
            "is_last_path": "end_of_stream",
        },
        records="tickets",
    ),
    Known(
        name="Zendesk's stream of changes by cursor",
        url="https://x.zendesk.com/api/v2/incremental/tickets/cursor.json?start_time=0",
        body={
            "tickets": ROWS,
            "after_cursor": "MTU3NjYxMzUzOS4wfHw0NTA=",
            "before_cursor": None,
            "end_of_stream": False,
        },
        paginator={
            "type": "cursor",
            "cursor_path": "after_cursor",
            "cursor_param": "after",
            "is_last_path": "end_of_stream",
        },
        records="tickets",
        confidence="likely",
    ),
    Known(
        name="Zendesk by offset",
        url="https://x.zendesk.com/api/v2/users.json",
        body={
            "users": ROWS,
            "next_page": "https://x.zendesk.com/api/v2/users.json?page=2",
            "previous_page": None,
            "count": 1234,
        },
        paginator={"type": "next_url", "next_path": "next_page"},
        records="users",
    ),
    Known(
        name="Confluence",
        url="https://wiki.example.com/rest/api/content",
        body={
            "results": ROWS,
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
        name="Microsoft Graph",
        url="https://graph.microsoft.com/v1.0/users?$top=2",
        body={
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users",
            "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$top=2&$skiptoken=RFNw",
            "value": ROWS,
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
            "messages": TEXT_ROWS,
        },
        paginator={"type": "next_url", "next_path": "next_page_uri"},
        records="messages",
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
        body={"count": 2, "next": None, "previous": None, "results": ROWS},
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
        name="Laravel",
        url="https://x.example/api/posts",
        body={
            "current_page": 1,
            "data": ROWS,
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
]
