"""What the chart renders to, by case. `python -m chart.rendering` writes the golden files and the
manifests made from the chart anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/apomixis"
HERE = Path(__file__).parent
KUBERNETES = "1.36.2"
CACHE = Path.home() / ".cache/apomixis/kube" / KUBERNETES

GOLDEN = {path.stem: path for path in sorted((HERE / "values").glob("*.yaml"))}
"""Case → values; what it renders to is in `golden/`."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A file of `manifests/` and what it takes from the chart: of those values, those kinds."""

    path: Path
    values: Path
    kinds: frozenset[str] = frozenset()


OVERLAYS = ROOT / "manifests/overlays"
MANIFESTS = (
    Manifest(ROOT / "manifests/base/operator.yaml", GOLDEN["default"]),
    Manifest(
        OVERLAYS / "cluster-wide/rbac.yaml",
        GOLDEN["cluster-wide"],
        frozenset({"ClusterRole", "ClusterRoleBinding"}),
    ),
    Manifest(
        OVERLAYS / "monitoring/monitoring.yaml",
        GOLDEN["monitoring"],
        frozenset({"ServiceMonitor", "PodMonitor", "PrometheusRule", "ConfigMap"}),
    ),
)


def tool(name: str, how: str) -> str:
    """The program, from PATH or from what the tests built; without it the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path=str(CACHE))
    if found is None:
        missing = f"{name} is not there: {how}"
        if os.environ.get("APOMIXIS_REQUIRE_KUBE") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = tool("helm", "go install helm.sh/helm/v3/cmd/helm@v3.22.0")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def kustomize(folder: Path) -> str:
    program = tool("kubectl", "https://kubernetes.io/docs/tasks/tools")
    done = subprocess.run(
        [program, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def template(values: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The release `apomixis` in `apomixis-system`, rendered without a cluster."""
    place = ("--namespace", "apomixis-system", "--kube-version", KUBERNETES)
    return helm("template", "apomixis", CHART, *place, "--values", values, *more)


def render(values: Path, *more: str) -> str:
    done = template(values, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


def manifest(wanted: Manifest) -> str:
    """As Helm renders it, without what is Helm's own: its labels, its tests."""
    kept = [
        document
        for document in documents(render(wanted.values, "--skip-tests"))
        if not wanted.kinds or document["kind"] in wanted.kinds
    ]
    if wanted.kinds and wanted.path.parent.name == "cluster-wide":
        base = {identity(d) for d in documents(render(GOLDEN["default"], "--skip-tests"))}
        kept = [document for document in kept if identity(document) not in base]
    for document in kept:
        for labels in label_sets(document):
            labels.pop("helm.sh/chart", None)
            if labels.get("app.kubernetes.io/managed-by") == "Helm":
                labels["app.kubernetes.io/managed-by"] = "kustomize"
    head = "# Made from charts/apomixis: PYTHONPATH=tests python -m chart.rendering\n"
    return head + yaml.safe_dump_all(kept, sort_keys=False, width=100)


def label_sets(document: Document) -> list[dict[str, str]]:
    pod = document.get("spec", {}).get("template", {}) if document["kind"] == "Deployment" else {}
    return [part["metadata"]["labels"] for part in (document, pod) if part]


def identity(document: Document) -> tuple[str, str, str]:
    about = document["metadata"]
    return document["kind"], about.get("namespace", ""), about["name"]


def main() -> None:
    for case, values in GOLDEN.items():
        (HERE / "golden" / f"{case}.yaml").write_text(render(values))
    for wanted in MANIFESTS:
        wanted.path.write_text(manifest(wanted))
    crd = "apomixisclusters.yaml"
    shutil.copyfile(ROOT / "charts/apomixis-crds/templates" / crd, ROOT / "manifests/crds" / crd)


if __name__ == "__main__":
    main()
