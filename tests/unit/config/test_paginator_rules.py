"""What contradicts itself in a paginator is CFG001, with the key and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.http.graphql import page_info_path
from bronze_engine.config.http.paginator import GraphqlPaginator, KeysetPaginator, PagePaginator
from bronze_engine.errors import ConfigError
from tests.unit.config.files import http_of, load

pytestmark = pytest.mark.unit

HERE = "pipelines.myteam.orders.source"


def config(source: str, api: str = "") -> str:
    return (
        f'[apis.shop]\nbase_url = "https://shop.example/v1"\n{api}\n'
        f'[{HERE}]\ntype = "http"\napi = "shop"\n{source}\n'
    )


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text).pipeline("myteam.orders")
    return str(caught.value)


POST = 'method = "POST"\n'
GRAPHQL = f'{POST}records = "data.orders.nodes"\njson = {{query = "{{ orders }}"}}\n'


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('paginator = {type = "keyset"}', "paginator.param: missing; it is a string"),
        ('paginator = {type = "keyset", param = "a", key = "a."}', 'key: "a." is no dotted path'),
        (
            'paginator = {type = "next_url", next_path = "$.links[1].href"}',
            'next_path: "$.links[1].href" is no dotted path; write links.next; of a list of links',
        ),
        (
            """paginator = {type = "next_url", next_path = 'links[?(@.rel=="next")].href'}""",
            "is no dotted path; write links.next",
        ),
        ('paginator = {type = "page", total_path = "a[0].n"}', '"a[0].n" is no dotted path'),
        ('paginator = {type = "header_cursor"}', "cursor_header: missing"),
        (
            'paginator = {type = "header_cursor", cursor_header = "X Next"}',
            'cursor_header: "X Next" is no header\'s name',
        ),
        ('paginator = {type = "none", max_pages = 3}', "max_pages: unknown key"),
        ('paginator = {type = "page", max_records = 0}', "max_records: expected a whole number"),
        ('paginator = {type = "auto", page_size = 5}', "page_size: is sent as size_param"),
        ('paginator = {type = "auto", size_param = "n"}', "size_param: has nothing to send"),
        ('paginator = {type = "link_header", param_in = "body"}', "param_in: unknown key"),
        ('paginator = {type = "page", param_in = "json"}', "param_in: expected"),
        ('paginator = {type = "page", param_in = "body"}', 'param_in: "body" needs a body; write'),
        (
            POST + 'json = [1]\npaginator = {type = "page", param_in = "body"}',
            "source.json: must be a table: the paginator's parameters go into it",
        ),
        (
            POST + 'json = {page = 1}\npaginator = {type = "page", param_in = "body"}',
            "page_param: json.page is set twice: by source.json and by the paginator",
        ),
        (
            POST + "json = {a = 1}\n"
            'paginator = {type = "page", page_param = "a.b", param_in = "body"}',
            "page_param: leads through json.a, which is no table",
        ),
        (
            POST + 'paginator = {type = "page", page_param = "a..b", param_in = "body"}',
            'page_param: "a..b" is no dotted path into json',
        ),
        (
            POST + 'paginator = {type = "page", page_param = "a", size_param = "a.b", '
            'page_size = 1, param_in = "body"}',
            'size_param: "a.b" is set twice: by paginator.page_param too',
        ),
        (
            'paginator = {type = "page", page_param = "X Page", param_in = "header"}',
            'page_param: "X Page" is no header\'s name',
        ),
        (
            'paginator = {type = "page", page_param = "x-shop", param_in = "header"}',
            "the header x-shop is set twice: by the API's [headers] too",
        ),
        (
            'paginator = {type = "page", page_param = "authorization", param_in = "header"}',
            "the header authorization is set twice: by the API's [auth] too",
        ),
        (
            (
                'paginator = {type = "page", page_param = "X-P", size_param = "x-p", '
                'page_size = 1, param_in = "header"}'
            ),
            "the header x-p is set twice: by paginator.page_param too",
        ),
        (
            (
                'params = {n = 1}\npaginator = {type = "keyset", param = "a", size_param = "n", '
                "page_size = 1}"
            ),
            "params.n: is set twice: by source.params and by paginator.size_param",
        ),
        ('paginator = {type = "graphql"}', 'paginator.type: GraphQL is a POST; write method = "PO'),
        (POST + 'paginator = {type = "graphql"}', "type: needs a query; write it into json.query"),
        (
            POST + 'json = {query = "q"}\npaginator = {type = "graphql"}',
            "page_info_path: can't be told from `records`; set it",
        ),
        (GRAPHQL + 'paginator = {type = "graphql", page_info_path = ""}', "is no dotted path"),
        (
            GRAPHQL.replace('"}\n', '", variables = {first = 5}}\n')
            + 'paginator = {type = "graphql", page_size = 10}',
            "json.variables.first is set twice",
        ),
        (
            GRAPHQL.replace('"}\n', '", variables = "x"}\n') + 'paginator = {type = "graphql"}',
            "leads through json.variables, which is no table",
        ),
        ('path = "/x#y"', "source.path: has a fragment (#), which is never sent"),
        (
            'path = "/x?page=1"\npaginator = {type = "page"}',
            "params.page: is set twice: by source.path and by paginator.page_param",
        ),
        ('path = "/x?a=1"\nparams = {a = 2}', "is set twice: by source.path and by source.params"),
        ('headers = {"a b" = "x"}', 'headers."a b": is no name of a header'),
        ('headers = {authorization = "x"}', "authorization: is what the API's [auth] sends"),
        ('headers = {X-A = "a\\nb"}', "source.headers.X-A: holds a line break"),
        ('headers = {X-A = "{lo}"}', "source.headers.X-A: unknown template {lo}"),
        (
            (
                'headers = {X-P = "1"}\n'
                'paginator = {type = "page", param_in = "header", page_param = "x-p"}'
            ),
            "the header x-p is set twice: by source.headers too",
        ),
        (
            'params = {q = "at {page.offset}"}\npaginator = {type = "offset"}',
            'source: uses {page.offset}; write param_in = "template" into its paginator',
        ),
        (
            (
                'params = {q = "at {page.page}"}\n'
                'paginator = {type = "offset", param_in = "template", offset_param = "at"}'
            ),
            'paginator.offset_param: "at" is sent nowhere; write {page.at} into path, params',
        ),
        (
            (
                'params = {q = "{page.page} {page.size}"}\n'
                'paginator = {type = "page", param_in = "template"}'
            ),
            "source: {page.size} is no parameter of the paginator; known are {page.page}",
        ),
        (
            (
                'path = "/after/{page.after}"\n'
                'paginator = {type = "keyset", param = "after", param_in = "template"}'
            ),
            "path: has no value for the first page; write what begins it: {page.after:0}",
        ),
        (
            'paginator = {type = "page", total_path = "n", total_header = "X-N"}',
            "paginator.total_header: says what total_path says; keep one of the two",
        ),
        (
            'paginator = {type = "page", total_pages_header = "a b"}',
            'paginator.total_pages_header: "a b" is no header\'s name',
        ),
        (
            'paginator = {type = "page", is_last_path = "l", has_more_path = "m"}',
            "paginator.is_last_path: says what has_more_path says",
        ),
    ],
)
def test_a_paginator_that_contradicts_itself_is_refused(
    tmp_path: Path, source: str, message: str
) -> None:
    api = '[apis.shop.headers]\nX-Shop = "1"\n[apis.shop.auth]\ntype = "bearer"\ntoken = "t"\n'
    assert message in refused(tmp_path, config(source, api))


def test_a_query_key_may_be_a_header_too(tmp_path: Path) -> None:
    api = '[apis.shop.auth]\ntype = "api_key"\nkey = "v"\nname = "page"\nlocation = "query"\n'
    text = config('paginator = {type = "page", param_in = "header"}', api)
    assert http_of(load(tmp_path, text).pipeline("myteam.orders")).paginator == PagePaginator(
        param_in="header"
    )
    key = api.replace('location = "query"\n', "")
    text = config('paginator = {type = "page", param_in = "header"}', key)
    assert "the header page is set twice: by the API's [auth] too" in refused(tmp_path, text)


@pytest.mark.parametrize(
    "source",
    [
        'params = {after = "{run_date}"}\npaginator = {type = "keyset", param = "after"}',
        'params = {cursor = "*"}\npaginator = {type = "cursor", cursor_path = "next"}',
        POST + 'json = {cursor = "*"}\n'
        'paginator = {type = "cursor", cursor_path = "next", param_in = "body"}',
        'params = {page = "of the query"}\npaginator = {type = "page", param_in = "header"}',
    ],
)
def test_the_first_page_may_have_a_cursor_or_key_of_its_own(tmp_path: Path, source: str) -> None:
    assert load(tmp_path, config(source)).check_all() == []


def test_a_graphql_query_keeps_its_braces_and_variables_are_templates(tmp_path: Path) -> None:
    source = (
        POST + 'records = "data.orders.nodes"\n[' + HERE + '.paginator]\ntype = "graphql"\n'
        f'[{HERE}.json]\nquery = "query {{ orders {{ nodes {{ id }} }} }}"\n'
        f'[{HERE}.json.variables]\nday = "{{run_date}}"\n'
    )
    assert (
        http_of(load(tmp_path, config(source)).pipeline("myteam.orders")).paginator
        == GraphqlPaginator()
    )
    wrong = config(source.replace("{run_date}", "{rundate}"))
    assert "unknown template {rundate}" in refused(tmp_path, wrong)
    plain = config(source.replace('type = "graphql"', 'type = "none"'))
    assert "a single `{` is no template" in refused(tmp_path, plain)


@pytest.mark.parametrize(
    "records", ['"data.orders.nodes"', '"$.data.orders.edges[*].node"', '"$.data.orders.nodes"']
)
def test_page_info_stands_beside_the_records(tmp_path: Path, records: str) -> None:
    source = f'{POST}records = {records}\njson = {{query = "q"}}\npaginator = {{type = "graphql"}}'
    found = http_of(load(tmp_path, config(source)).pipeline("myteam.orders"))
    assert isinstance(found.paginator, GraphqlPaginator)
    assert page_info_path(found.paginator, found.records) == "data.orders.pageInfo"


def test_the_key_is_the_id_unless_named(tmp_path: Path) -> None:
    text = config('paginator = {type = "keyset", param = "since_id"}')
    found = http_of(load(tmp_path, text).pipeline("myteam.orders")).paginator
    assert found == KeysetPaginator(param="since_id", key="id")
