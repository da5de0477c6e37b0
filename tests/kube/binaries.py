"""Kubernetes, Helm and an Ingress controller, built from source once and kept from run to run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kube.commands import run
from kube.home import BINARIES, HERE, KUBEALL, VERSION

SECONDS = 2400
HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
SKIPPER = "github.com/zalando/skipper/cmd/skipper"


def build() -> None:
    """What is not there yet: about eleven minutes on two cores for all of it."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    _build("kubeall", "Kubernetes (about eight minutes, once)", _kubernetes)
    _build("helm", "Helm (about two minutes, once)", _helm)
    _build("skipper", "the Ingress controller skipper (about a minute, once)", _skipper)
    for name in ("kubectl", "kube-proxy"):  # kube-proxy is one that reads its own name
        if not (BINARIES / name).exists():
            (BINARIES / name).symlink_to(KUBEALL.name)


def missing() -> bool:
    return not all((BINARIES / name).exists() for name in ("kubeall", "helm", "skipper"))


def _build(name: str, what: str, make: object) -> None:
    assert callable(make)
    if (BINARIES / name).exists():
        return
    print(f"==> Building {what}", flush=True)
    making = BINARIES / "making"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    make(making)
    (making / name).rename(BINARIES / name)  # whole or not at all
    making.rmdir()


def _go(*words: str | Path, folder: Path | None = None, **more: str) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath", **more}
    run("go", *words, seconds=SECONDS, environment=environment, folder=folder)


def _kubernetes(into: Path) -> None:
    package, (major, minor, _) = "k8s.io/component-base/version", VERSION.split(".")
    told = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s -w", *(f"-X {package}.{name}={value}" for name, value in told.items())])
    tags = "providerless,netgo,osusergo"
    words = ("build", "-tags", tags, "-ldflags", flags, "-o", into / "kubeall", ".")
    _go(*words, folder=HERE / "hyperkube")


def _helm(into: Path) -> None:
    _go("install", "-ldflags", "-s -w", HELM, GOBIN=str(into))


def _skipper(into: Path) -> None:
    words = ("build", "-ldflags", "-s -w", "-o", into / "skipper", SKIPPER)
    _go(*words, folder=HERE / "skipper")
