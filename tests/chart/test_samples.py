"""The resource and the samples: what the schema says, and that each sample is as it wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from apomixis_operator.conditions import REASONS
from apomixis_operator.resources.names import GROUP, KIND, PLURAL, VERSION
from apomixis_operator.spec import read_spec
from chart.fields import FIELDS_FILE, crd, schema, table

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "manifests/samples").glob("*.yaml"))
HANDED_ON = ("raw", "uploads", "renditions", "service")  # as they were written


def test_the_resource_has_the_names_that_the_operator_uses() -> None:
    spec = crd()["spec"]
    assert (spec["group"], spec["names"]["kind"], spec["names"]["plural"]) == (GROUP, KIND, PLURAL)
    assert spec["names"]["shortNames"] == ["apx"]
    version = spec["versions"][0]
    assert version["name"] == VERSION
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.replicas"


def test_replicas_has_no_default_and_is_required() -> None:
    spec = schema()["properties"]["spec"]
    assert "default" not in spec["properties"]["replicas"]
    assert set(spec["required"]) == {"replicas", "storage"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_valid_and_readable(path: Path) -> None:
    for body in yaml.safe_load_all(path.read_text()):
        if body["kind"] != KIND:
            continue
        jsonschema.validate(body, without_int_or_string(schema()))
        spec = read_spec(body["spec"])
        assert spec.replicas >= spec.replication >= spec.write_quorum


def without_int_or_string(value: Any) -> Any:
    """Kubernetes looks at a quantity's pattern only where it is a string, as JSON Schema does."""
    if isinstance(value, dict):
        return {k: without_int_or_string(v) for k, v in value.items() if k != "format"}
    return [without_int_or_string(v) for v in value] if isinstance(value, list) else value


def test_defaults_of_the_schema_are_the_operators() -> None:
    least = read_spec({"replicas": 3, "storage": {"size": "1Gi"}})
    full = with_defaults(
        schema()["properties"]["spec"], {"replicas": 3, "storage": {"size": "1Gi"}}
    )
    filled = read_spec(full)
    different = {
        name: (value, getattr(filled, name))
        for name, value in vars(least).items()
        if value != getattr(filled, name)
        and name not in ("raw", "uploads", "renditions", "service")
    }
    assert not different


def with_defaults(properties: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """What the API server stores: defaults filled in where their parent is there."""
    found = dict(value)
    for name, child in properties.get("properties", {}).items():
        if name not in found and "default" in child:
            found[name] = child["default"]
        if isinstance(found.get(name), dict) and "properties" in child:
            found[name] = with_defaults(child, found[name])
    return found


def test_the_fields_in_the_documentation_are_those_of_the_resource() -> None:
    text = FIELDS_FILE.read_text()
    assert table(schema()) in text, "run: python -m chart.fields"


def test_every_reason_to_be_blocked_has_a_runbook() -> None:
    there = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} - {"README"}
    assert set(REASONS) == {page for page in there if not page.startswith("Apomixis")}
