"""The whole cluster: up from nothing, and down to nothing in whatever state it was left."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from kube import binaries, certificates, cgroups, control, images, mounts, network, processes
from kube.commands import run, wait
from kube.home import CACHE, CLUSTER, HERE, LOGS, VOLUMES
from kube.machine import Machine
from kube.volumes import STORAGE_CLASS

PROGRAMS = (
    *("buildah", "conntrack", "containerd", "ctr", "debootstrap", "gcc", "ip"),
    *("nft", "nsenter", "openssl", "runc", "socat", "sysctl"),
)
CHANGED_BY_KUBELETS = ("kernel.panic", "kernel.panic_on_oops", "vm.overcommit_memory")
CONTAINER_LINKS = Path("/var/log/containers")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
MOST = 5


def missing() -> str | None:
    """What this machine lacks to run a cluster, in one line."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "root on Linux"
    if not cgroups.usable():
        return "control groups that root may change"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if not Path("/usr/lib/cni/bridge").exists():
        lacking.append("containernetworking-plugins")
    if binaries.missing() and shutil.which("go") is None:
        lacking.append("go 1.26 or later (https://go.dev/dl)")
    return ", ".join(lacking) or None


@contextmanager
def alone() -> Iterator[None]:
    """One cluster at a time on one machine: others wait."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def machines(count: int) -> list[Machine]:
    return [Machine(index) for index in range(count)]


def up(count: int) -> None:
    """From nothing to Ready machines with DNS, Ingress, volumes and images. Raises FailedError."""
    down()
    with ThreadPoolExecutor(1) as pool:  # one compiles while the other waits for a mirror
        building = pool.submit(images.build)
        binaries.build()
        archives = building.result()
    print(f"==> Starting Kubernetes on {count} machines", flush=True)
    for folder in (CLUSTER, LOGS, VOLUMES):
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: run("sysctl", "-n", name).strip() for name in CHANGED_BY_KUBELETS}
    (CLUSTER / "sysctl.json").write_text(json.dumps(kept))
    network.up(count)
    certificates.authority()
    control.start()
    control.kubectl("apply", "-f", "-", stdin=STORAGE_CLASS)
    provisioner = ("env", f"PYTHONPATH={HERE.parent}", sys.executable, "-m", "kube.volumes")
    processes.start("volumes", *provisioner)

    def start(machine: Machine) -> None:
        machine.prepare()
        machine.start()
        load(machine, archives)
        wait(machine.is_ready, f"{machine.name} to be Ready")

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(start, machines(count)))


def load(machine: Machine, archives: list[Path]) -> None:
    """Give a machine its images, under all their names."""
    for archive in archives:
        machine.load(archive)
    for name, image in images.ALSO_CALLED.items():
        machine.call(image, name)


def down() -> None:
    """End and remove everything, also what a killed run left behind."""
    cgroups.end(at_once=True)
    network.down()
    kept = CLUSTER / "sysctl.json"
    if kept.exists():
        for name, value in json.loads(kept.read_text()).items():
            run("sysctl", "-qw", f"{name}={value}")
    if CONTAINER_LINKS.is_dir():
        for link in CONTAINER_LINKS.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(LOGS):
                link.unlink()
    (DEVICE_PLUGINS / "kubelet.sock").unlink(missing_ok=True)
    for folder in (CONTAINER_LINKS, DEVICE_PLUGINS, DEVICE_PLUGINS.parent):
        with suppress(OSError):  # not there, or somebody else's things are in it
            folder.rmdir()
    mounts.remove(CLUSTER)
    cgroups.remove()
