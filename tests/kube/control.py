"""The control plane, on the first machine: etcd, API server, controllers, DNS, Ingress."""

from __future__ import annotations

import json
from typing import Any

import yaml

from kube import processes
from kube.commands import FailedError, run, wait
from kube.home import AUDIT, BINARIES, CLUSTER, KUBEALL, KUBECONFIG, PKI
from kube.network import SERVICES, address, namespace

AUDITED = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}]},
        {"level": "Metadata"},
    ],
}
"""Every write, who made it and to what; not what was written."""

COREFILE = """\
.:53 {{
  bind {address}
  errors
  cache 30
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig} test
    ttl 30
  }}
}}
"""


def kubectl(*words: str, stdin: str | None = None, seconds: float = 60) -> str:
    """As the cluster's administrator."""
    return run(KUBEALL, "kubectl", "--kubeconfig", KUBECONFIG, *words, stdin=stdin, seconds=seconds)


def start() -> None:
    """All of it, until the API server answers and pods can be made. Raises FailedError."""
    folder = CLUSTER / "etcd"
    processes.start("etcd", KUBEALL, "etcd", "--data-dir", folder, namespace=namespace(0))
    start_api_server()
    manager, authentication = PKI / "kube-controller-manager.conf", "--authentication-kubeconfig"
    _start(
        "kube-controller-manager",
        f"--kubeconfig={manager}",
        f"{authentication}={manager}",
        f"--authorization-kubeconfig={manager}",
        "--bind-address=127.0.0.1",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={PKI}/accounts.key",
        f"--root-ca-file={PKI}/ca.crt",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        "--leader-elect=false",
    )
    scheduler = PKI / "kube-scheduler.conf"
    _start(
        "kube-scheduler",
        f"--kubeconfig={scheduler}",
        f"{authentication}={scheduler}",
        f"--authorization-kubeconfig={scheduler}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )
    wait(lambda: answers("get", "serviceaccount/default"), "the first service account")
    corefile = CLUSTER / "Corefile"
    corefile.write_text(COREFILE.format(address=address(0), kubeconfig=KUBECONFIG))
    _start("coredns", "-conf", str(corefile))
    start_ingress()


def start_api_server() -> None:
    """Start it and wait until it is ready."""
    policy = CLUSTER / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(AUDITED))
    _start(
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--bind-address={address(0)}",
        f"--advertise-address={address(0)}",
        "--secure-port=6443",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI}/accounts.pub",
        f"--service-account-signing-key-file={PKI}/accounts.key",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        "--profiling=false",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={AUDIT}",
        "--shutdown-watch-termination-grace-period=2s",
    )
    try:
        wait(lambda: answers("get", "--raw=/readyz"), "the API server")
    except FailedError as late:
        raise FailedError(f"{late}\n{processes.last_lines('kube-apiserver')}") from late


def stop_api_server() -> None:
    """As if its machine had lost its power."""
    processes.stop("kube-apiserver", at_once=True)


def start_ingress() -> None:
    """Skipper on port 80 of the first machine; it reads the cluster through `kubectl proxy`."""
    proxy = ("kubectl", "--kubeconfig", KUBECONFIG, "proxy", "--port=8001")
    processes.start("kubectl-proxy", KUBEALL, *proxy, namespace=namespace(0))
    processes.start(
        "skipper",
        BINARIES / "skipper",
        "-kubernetes",
        "-kubernetes-url=http://127.0.0.1:8001",
        "-kubernetes-path-mode=path-prefix",
        "-address=:80",
        "-source-poll-timeout=1000",
        "-application-log-level=WARN",
        "-access-log-disabled",
        namespace=namespace(0),
    )


def writes() -> list[dict[str, Any]]:
    """Every write that the API server was asked for so far, oldest first."""
    lines = AUDIT.read_text().splitlines() if AUDIT.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def answers(*words: str) -> bool:
    """Whether a command of kubectl succeeds now."""
    try:
        kubectl("--request-timeout=5s", *words)
    except FailedError:
        return False
    return True


def _start(name: str, *flags: str) -> None:
    processes.start(name, KUBEALL, name, *flags, namespace=namespace(0))
