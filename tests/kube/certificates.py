"""One authority, a certificate for everyone, and kubeconfigs that name them by path."""

from __future__ import annotations

from pathlib import Path

import yaml

from kube.commands import run
from kube.home import KUBECONFIG, PKI
from kube.network import address

USAGE = {"client": "clientAuth", "server": "serverAuth"}


def authority() -> None:
    """Make the authority, the key of service accounts, and what the control plane shows."""
    PKI.mkdir(parents=True, exist_ok=True)
    _request("ca", "/CN=apomixis-test", "-addext", "basicConstraints=critical,CA:TRUE")
    run("openssl", "genrsa", "-out", PKI / "accounts.key", "2048")
    run("openssl", "rsa", "-in", PKI / "accounts.key", "-pubout", "-out", PKI / "accounts.pub")
    service = "kubernetes.default.svc"
    names = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local"]
    alternatives = [f"DNS:{name}" for name in names]
    alternatives += [f"IP:{ip}" for ip in ("127.0.0.1", "10.96.0.1", address(0))]
    issue("apiserver", "/CN=kube-apiserver", "server", alternatives)
    issue("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client", "client")
    kubeconfig("admin", "/O=system:masters/CN=admin", KUBECONFIG)
    for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        kubeconfig(name, f"/CN=system:{name}")


def issue(name: str, subject: str, usage: str, alternatives: list[str] | None = None) -> None:
    """`name.crt` and `name.key`, signed by the authority."""
    more = ["-CA", str(PKI / "ca.crt"), "-CAkey", str(PKI / "ca.key")]
    more += ["-addext", "basicConstraints=CA:FALSE"]
    more += ["-addext", f"extendedKeyUsage={USAGE[usage]}"]
    if alternatives:
        more += ["-addext", f"subjectAltName={','.join(alternatives)}"]
    _request(name, subject, *more)


def _request(name: str, subject: str, *more: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
    files = ("-keyout", PKI / f"{name}.key", "-out", PKI / f"{name}.crt")
    run("openssl", "req", "-x509", *key, "-subj", subject, "-days", "3650", *files, *more)


def kubeconfig(name: str, subject: str, path: Path | None = None) -> Path:
    """A kubeconfig for a user of that subject."""
    issue(name, subject, "client")
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "test",
                "cluster": {
                    "server": f"https://{address(0)}:6443",
                    "certificate-authority": str(PKI / "ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate": str(PKI / f"{name}.crt"),
                    "client-key": str(PKI / f"{name}.key"),
                },
            }
        ],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
        "current-context": "test",
    }
    path = path or PKI / f"{name}.conf"
    path.write_text(yaml.safe_dump(body))
    path.chmod(0o600)
    return path
