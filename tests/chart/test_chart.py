"""The chart renders to what was agreed, refuses what it can't mean, and asks for no more rights
than its operator needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chart.rendering import (
    CHART,
    GOLDEN,
    HERE,
    MANIFESTS,
    ROOT,
    Document,
    Manifest,
    documents,
    helm,
    identity,
    kustomize,
    manifest,
    render,
    template,
)

PODS = {"Deployment", "Pod"}


def of_kind(case: str, *kinds: str) -> list[Document]:
    return [d for d in documents(render(GOLDEN[case])) if d["kind"] in kinds]


@pytest.mark.parametrize("case", GOLDEN)
def test_golden(case: str) -> None:
    golden = (HERE / "golden" / f"{case}.yaml").read_text()
    assert documents(render(GOLDEN[case])) == documents(golden), (
        "PYTHONPATH=tests python -m chart.rendering"
    )


@pytest.mark.parametrize("case", GOLDEN)
def test_helm_finds_no_fault(case: str) -> None:
    done = helm("lint", "--strict", CHART, "--kube-version", "1.36.2", "--values", GOLDEN[case])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("replicas=3", "replicas"),
        ("image.tagg=1", "tagg"),
        ("logLevel=loud", "logLevel"),
        ("image.digest=latest", "digest"),
        ("namespaces={Shop}", "namespaces"),
        ("cluster.name=Photos", "name"),
        ("cluster.create=true", "storage"),
        ("guard.exemptUsers={o'brien}", "exemptUsers"),
    ],
)
def test_wrong_values_are_refused_by_name(setting: str, complaint: str) -> None:
    done = template(GOLDEN["default"], "--set", setting)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_a_cluster_is_made_only_where_the_operator_looks() -> None:
    more = ("--set", "cluster.create=true,cluster.spec.storage.size=1Gi,namespaces={shop}")
    assert "namespaces leaves out" in template(GOLDEN["default"], *more).stderr


@pytest.mark.parametrize("case", GOLDEN)
def test_the_operator_may_little(case: str) -> None:
    roles = [r for r in of_kind(case, "Role", "ClusterRole") if "aggregate" not in str(r)]
    rules = [rule for role in roles for rule in role["rules"]]
    assert rules
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
        assert not {"pods/exec", "pods/attach", "pods/portforward"} & set(rule["resources"])
        if "secrets" in rule["resources"]:
            assert not {"list", "watch", "deletecollection"} & set(rule["verbs"])
        if "nodes" in rule["resources"]:
            assert rule["verbs"] == ["get"]


def test_by_default_no_right_outside_of_its_namespace_but_to_read_machines() -> None:
    (machines,) = of_kind("default", "ClusterRoleBinding")
    assert machines["roleRef"]["name"].endswith("-nodes")
    assert {r["metadata"]["namespace"] for r in of_kind("default", "RoleBinding")} == {
        "apomixis-system"
    }
    assert {r["metadata"]["namespace"] for r in of_kind("everything", "RoleBinding")} == {
        "apomixis-system",
        "shop",
    }


def test_one_namespace_is_enough_for_it() -> None:
    whole = documents(render(GOLDEN["nothing-cluster-wide"]))
    assert all("namespace" in document["metadata"] for document in whole)


@pytest.mark.parametrize("case", GOLDEN)
def test_every_pod_is_restricted(case: str) -> None:
    for document in of_kind(case, *PODS):
        spec = (
            document["spec"]["template"]["spec"]
            if "template" in document["spec"]
            else document["spec"]
        )
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "volumes" not in spec, "an emptyDir would stop `kubectl drain`"
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_two_releases_of_one_name_share_nothing() -> None:
    def names(namespace: str) -> set[tuple[str, str]]:
        text = render(GOLDEN["cluster-wide"], "--namespace", namespace)
        return {
            (d["kind"], d["metadata"]["name"])
            for d in documents(text)
            if "namespace" not in d["metadata"]
        }

    assert not names("one") & names("two")


def test_a_cluster_outlives_its_release_and_keeps_its_count() -> None:
    (cluster,) = of_kind("everything", "ApomixisCluster")
    assert cluster["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert cluster["spec"] == {"replicas": 3, "storage": {"size": "10Gi"}}
    more = ("--set", "cluster.create=true,cluster.spec.storage.size=1Gi")
    unset = [d for d in documents(render(GOLDEN["default"], *more)) if d["kind"] == cluster["kind"]]
    assert "replicas" not in unset[0]["spec"]


@pytest.mark.parametrize("wanted", MANIFESTS, ids=lambda m: m.path.parent.name)
def test_manifests_are_made_from_the_chart(wanted: Manifest) -> None:
    assert wanted.path.read_text() == manifest(wanted), "PYTHONPATH=tests python -m chart.rendering"


def test_every_value_is_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load(Path(CHART / "values.schema.json").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}


@pytest.mark.parametrize(
    ("folder", "case"),
    [
        ("base", "default"),
        ("overlays/cluster-wide", "cluster-wide"),
        ("overlays/monitoring", "monitoring"),
    ],
)
def test_kustomize_makes_what_helm_makes(folder: str, case: str) -> None:
    built = {identity(d): d for d in documents(kustomize(ROOT / "manifests" / folder))}
    for extra in ("Namespace", "CustomResourceDefinition"):
        (key,) = [key for key in built if key[0] == extra]
        del built[key]
    wanted = documents(manifest(Manifest(Path("whole"), GOLDEN[case])))
    assert built == {identity(d): d for d in wanted}


def test_the_resource_of_the_manifests_is_the_charts() -> None:
    name = "apomixisclusters.yaml"
    chart = ROOT / "charts/apomixis-crds/templates" / name
    assert (ROOT / "manifests/crds" / name).read_text() == chart.read_text()
