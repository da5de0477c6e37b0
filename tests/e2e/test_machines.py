"""Machines and the control plane fail under a cluster that is being read and written.

It halts machines, so it runs alone, and only on the cluster that `make e2e` makes itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from e2e.disks import misplaced
from e2e.load import Load
from e2e.release import RefusedError, Release, installed
from kube import control
from kube.commands import wait
from kube.machine import Machine
from needs import need

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.timeout(900)]

DRAIN = ("--ignore-daemonsets", "--timeout=150s")
"""What every drain needs, and no more: nothing is lost that `--delete-emptydir-data` would name."""


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    need(
        os.environ.get("APOMIXIS_KUBE_MACHINES"), "machines to halt: `make e2e` without KUBECONFIG"
    )
    with installed("e2e-machines") as release:
        release.cluster()
        release.wait_settled(3)
        yield release


@pytest.fixture(scope="module")
def load(release: Release) -> Iterator[Load]:
    with Load(release) as load:
        yield load


@pytest.fixture(autouse=True)
def begins_well(release: Release, load: Load) -> None:
    load.failed_reads.clear()
    load.failed_writes.clear()


def assert_nothing_failed(load: Load) -> None:
    load.assert_no_read_failed()
    load.assert_no_write_failed()


def machine_of(release: Release, pod: str) -> Machine:
    name = release.get(f"pod/{pod}")["spec"]["nodeName"]
    return Machine(int(name.removeprefix("node")))


def a_pod_elsewhere(release: Release) -> str:
    """One that is not on the machine of the Ingress controller."""
    return next(pod for pod in release.pods() if machine_of(release, pod).index != 0)


def test_machines_drained_one_after_another(release: Release, load: Load) -> None:
    for machine in (Machine(0), Machine(1), Machine(2)):
        release.kubectl("drain", machine.name, *DRAIN, seconds=160)
        load.wait()
        release.kubectl("uncordon", machine.name)
        release.wait_settled(3)
    assert_nothing_failed(load)


def test_the_api_server_is_down_for_twenty_seconds(release: Release, load: Load) -> None:
    before = release.uids()
    control.stop_api_server()
    time.sleep(20)
    control.start_api_server()
    release.wait_settled(3)
    load.wait()
    assert release.uids() == before
    assert_nothing_failed(load)


def test_a_machine_that_stops_without_a_word(release: Release, load: Load) -> None:
    """Requests that the Ingress sends there fail until Kubernetes takes its endpoint away; how long
    that is, is written to the report. While its zone is down, nodes join; then it comes back."""
    pod = a_pod_elsewhere(release)
    machine = machine_of(release, pod)
    began, reads = time.monotonic(), load.reads
    with halted(machine):
        release.eventually(lambda: not endpoint_is_ready(release, pod), "the endpoint to go")
        unaware = time.monotonic() - began
        time.sleep(15)  # what is under way ends by the clients' patience
        during = (len(load.failed_reads), load.reads - reads, len(load.failed_writes))
        load.failed_reads.clear()
        load.failed_writes.clear()
        load.wait()
        release.scale(5)
        release.eventually(lambda: len(release.pods()) == 5, "pods of five nodes")
        load.wait(20)
        assert_nothing_failed(load)
    print(f"unaware for {unaware:.0f} s; failed reads, reads, failed writes: {during}")
    release.wait_settled(5)
    release.scale(3)
    release.wait_settled(3)


@contextmanager
def halted(machine: Machine) -> Iterator[None]:
    """A machine without power; it has it back at the end."""
    machine.halt()
    try:
        yield
    finally:
        machine.start()
        wait(machine.is_ready, f"{machine.name} to be Ready")


def endpoint_is_ready(release: Release, pod: str) -> bool:
    slices = release.get("endpointslices", labelSelector="kubernetes.io/service-name=photos")[
        "items"
    ]
    return any(
        endpoint["targetRef"]["name"] == pod and endpoint["conditions"]["ready"]
        for found in slices
        for endpoint in found.get("endpoints") or ()
    )


def test_a_machine_that_is_lost_for_good(release: Release, load: Load) -> None:
    pod = a_pod_elsewhere(release)
    machine = machine_of(release, pod)
    with halted(machine):
        release.kubectl("delete", f"node/{machine.name}")
        before = release.incarnation(pod)
        release.annotate(replace=pod)
        release.wait_replaced(pod, before)
        assert machine_of(release, pod) != machine
        release.annotate(replace="")
        ids = list(load.acknowledged)
        release.eventually(lambda: not misplaced(release, ids), "three copies of all")
        load.assert_all_there()


def test_it_is_all_there(release: Release, load: Load) -> None:
    load.assert_all_there()
    with pytest.raises((RefusedError, httpx.HTTPError)):
        release.kubectl("scale", "statefulset/photos", "--replicas=1")
