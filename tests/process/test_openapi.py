"""Whatever a machine makes of the description: no 500, and every answer is a described one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator

from apomixis_node.errors import STATUS_OF
from apomixis_node.openapi import description
from cluster import Cluster
from pictures import corners, encoded

pytestmark = [pytest.mark.process]
schema = schemathesis.openapi.from_dict(description())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("openapi") / "images", nodes=1) as running:
        yield running


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_surprises_the_server(case: Any, cluster: Cluster) -> None:
    response = case.call(base_url=cluster.urls[0], timeout=30)
    methods = description()["paths"][case.operation.path]
    if (operation := methods.get(case.method.lower())) is None:
        assert response.status_code in (200, 404, 405)  # a HEAD, or no method of this path
        return
    assert response.status_code != 500, response.text
    assert str(response.status_code) in operation["responses"], response.text
    if response.status_code >= 400:
        assert response.json()["error"] in STATUS_OF


def answer_schema(path: str, method: str, status: int) -> Draft202012Validator:
    whole = description()
    content = whole["paths"][path][method]["responses"][str(status)]["content"]
    part = content["application/json"]["schema"]
    return Draft202012Validator({**part, "components": whole["components"]})


def test_answers_are_what_the_description_says(cluster: Cluster) -> None:
    url = cluster.urls[0]
    assert httpx.get(f"{url}/openapi.json").json() == description()
    data = encoded(corners(), "PNG")
    for status in (201, 200):
        answer = httpx.post(url, content=data, headers={"Content-Type": "image/png"})
        assert answer.status_code == status
        answer_schema("/", "post", status).validate(answer.json())
    image_id = answer.json()["hash"]
    answer_schema("/info/{id}", "get", 200).validate(httpx.get(f"{url}/info/{image_id}").json())
    answer_schema("/api/status", "get", 200).validate(httpx.get(f"{url}/api/status").json())
    missing = httpx.get(f"{url}/info/{'0' * 40}")
    answer_schema("/info/{id}", "get", 404).validate(missing.json())
    gone = httpx.delete(f"{url}/image/{image_id}")
    answer_schema("/image/{id}", "delete", 200).validate(gone.json())
    assert httpx.get(f"{url}/info/{image_id}").status_code == 410
