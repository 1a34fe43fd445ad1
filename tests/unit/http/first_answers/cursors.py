"""APIs whose next page is asked for with a value of this one: a token, or the last key."""

from __future__ import annotations

from tests.unit.http.first_answers.known import ROWS, TEXT_ROWS, Known

__all__ = ["CURSORS"]

CURSORS = [
    Known(
        name="Stripe",
        url="https://api.stripe.com/v1/customers?limit=2",
        body={"object": "list", "url": "/v1/customers", "has_more": True, "data": TEXT_ROWS},
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
            "data": TEXT_ROWS,
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
        name="Shopify GraphQL",
        url="https://s.myshopify.com/admin/api/2025-01/graphql.json",
        json={"query": "query($cursor: String) { orders(first: 2, after: $cursor) { … } }"},
        body={
            "data": {
                "orders": {
                    "nodes": TEXT_ROWS,
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
        name="Salesforce bulk results",
        url="https://x.my.salesforce.com/services/data/v60.0/jobs/query/750/results?maxRecords=2",
        headers={"sforce-locator": "MTAwMDA", "sforce-numberofrecords": "2"},
        body=ROWS,
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
        name="Google Calendar",
        url="https://www.googleapis.com/calendar/v3/calendars/primary/events?maxResults=2",
        body={
            "kind": "calendar#events",
            "nextSyncToken": "CPDAlvWDx70CEPDAlvWDx70CGAU=",
            "defaultReminders": [{"method": "popup", "minutes": 10}],
            "nextPageToken": "EiwKDDY4b3",
            "items": TEXT_ROWS,
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
            "data": TEXT_ROWS,
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
        name="Square",
        url="https://connect.squareup.com/v2/customers",
        body={"customers": TEXT_ROWS, "cursor": "FxASDFqwerzxcv123"},
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
        name="Azure DevOps",
        url="https://dev.azure.com/o/_apis/git/repositories",
        headers={"x-ms-continuationtoken": "1234;x"},
        body={"count": 2, "value": ROWS},
        paginator={
            "type": "header_cursor",
            "cursor_header": "X-Ms-Continuationtoken",
            "cursor_param": "continuationToken",
        },
        records="value",
    ),
]
