"""A machine of the cluster: containerd, kubelet and kube-proxy in a network namespace."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from kube import certificates, cgroups, mounts, processes
from kube.commands import FailedError, run, wait
from kube.control import kubectl
from kube.home import BINARIES, CLUSTER, KUBEALL, LOGS, PKI
from kube.images import PAUSE
from kube.network import PODS, address, namespace, pods

CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{folder}/run"
disabled_plugins = [{disabled}]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""
DISABLED = (
    '"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", '
    '"io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.tracing"'
)


@dataclass(frozen=True)
class Machine:
    """Number `index` of the cluster, from 0; its folder holds all that its disk would."""

    index: int

    @property
    def name(self) -> str:
        return f"node{self.index}"

    @property
    def zone(self) -> str:
        return "abcdefgh"[self.index]

    @property
    def folder(self) -> Path:
        return CLUSTER / self.name

    def prepare(self) -> None:
        """Write its configuration and make its certificates."""
        (self.folder / "cni").mkdir(parents=True)
        (LOGS / "pods" / self.name).mkdir(parents=True)
        subject = f"/O=system:nodes/CN=system:node:{self.name}"
        certificates.kubeconfig(f"{self.name}-kubelet", subject)
        names = [f"DNS:{self.name}", f"IP:{address(self.index)}"]
        certificates.issue(f"{self.name}-serving", subject, "server", names)
        text = CONTAINERD.format(folder=self.folder, disabled=DISABLED, pause=PAUSE)
        (self.folder / "containerd.toml").write_text(text)
        (self.folder / "cni/10-bridge.conflist").write_text(json.dumps(self._cni()))
        (self.folder / "resolv.conf").touch()
        group = cgroups.make_for_pods(self.name)
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet(group)))

    def _cni(self) -> dict[str, object]:
        ipam = {
            "type": "host-local",
            "dataDir": f"{self.folder}/ipam",
            "ranges": [[{"subnet": pods(self.index)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        plugins = [{**bridge, "ipMasq": False, "ipam": ipam}, ports]
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}

    def _kubelet(self, group: str) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{PKI}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{PKI}/{self.name}-serving.crt",
            "tlsPrivateKeyFile": f"{PKI}/{self.name}-serving.key",
            "containerRuntimeEndpoint": f"unix://{self.folder}/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": group,
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [address(0)],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{self.folder}/resolv.conf",
            "podLogsDir": f"{LOGS}/pods/{self.name}",
            "evictionHard": dict.fromkeys(("nodefs.available", "imagefs.available"), "1%")
            | {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
        }

    def start(self) -> None:
        """Start what runs on it; it becomes Ready some seconds later."""
        containerd = ("containerd", "--config", self.folder / "containerd.toml")
        self._start("containerd", *containerd)
        wait(lambda: self._answers(), f"containerd of {self.name}", seconds=30)
        self._start(
            "kubelet",
            KUBEALL,
            "kubelet",
            f"--config={self.folder}/kubelet.yaml",
            f"--kubeconfig={PKI}/{self.name}-kubelet.conf",
            f"--root-dir={self.folder}/kubelet",
            f"--hostname-override={self.name}",
            f"--node-ip={address(self.index)}",
            f"--node-labels=topology.kubernetes.io/zone={self.zone}",
        )
        self._start(
            "kube-proxy",
            BINARIES / "kube-proxy",
            f"--kubeconfig={PKI}/kube-proxy.conf",
            "--proxy-mode=nftables",
            f"--cluster-cidr={PODS}",
            f"--hostname-override={self.name}",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        )

    def halt(self) -> None:
        """As if its power were cut: nothing of it runs, its disk stays."""
        cgroups.end(self.name, at_once=True)
        mounts.unmount(self.folder / "run")
        shutil.rmtree(self.folder / "run", ignore_errors=True)

    def is_ready(self) -> bool:
        try:
            path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
            return kubectl("get", f"node/{self.name}", path) == "True"
        except FailedError:  # not registered yet
            return False

    def load(self, archive: Path) -> None:
        """Give it the images of an archive."""
        self._ctr("images", "import", archive, seconds=300)

    def call(self, image: str, name: str) -> None:
        """Give an image that it has another name."""
        self._ctr("images", "tag", "--force", image, name)

    def forget(self, image: str) -> None:
        """Take an image from it."""
        self._ctr("images", "remove", "--sync", image)

    def _ctr(self, *words: str | Path, seconds: float = 60) -> str:
        socket = f"--address={self.folder}/containerd.sock"
        return run("ctr", socket, "--namespace=k8s.io", *words, seconds=seconds)

    def _answers(self) -> bool:
        try:
            self._ctr("version", seconds=5)
        except FailedError:
            return False
        return True

    def _start(self, name: str, *command: str | Path) -> None:
        processes.start(f"{self.name}/{name}", *command, namespace=namespace(self.index))
