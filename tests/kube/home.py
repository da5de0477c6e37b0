"""Where things are: what is kept from run to run, and what is gone with the cluster."""

from __future__ import annotations

from pathlib import Path

VERSION = "1.36.2"
CACHE = Path.home() / ".cache/apomixis/kube"
BINARIES = CACHE / VERSION
"""Of Kubernetes, Helm and the Ingress controller: built once."""

IMAGES = CACHE / "images"
"""The base image and buildah's storage."""

CLUSTER = CACHE / "cluster"
"""Of the one cluster that may run on this machine."""

PKI = CLUSTER / "pki"
LOGS = CLUSTER / "logs"
AUDIT = LOGS / "audit.jsonl"
KUBECONFIG = CLUSTER / "kubeconfig"
VOLUMES = CLUSTER / "volumes"

KUBEALL = BINARIES / "kubeall"
"""All of Kubernetes, etcd, CoreDNS and kubectl in one binary; the first argument says which."""

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
