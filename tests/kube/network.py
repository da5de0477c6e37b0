"""One bridge, one network namespace for each machine, and the host's routes to pods and Services.

The host is 10.200.0.1, machine I is 10.200.0.(I + 2) and has the pods 10.244.I.0/24. The host's
own firewall stays as it is.
"""

from __future__ import annotations

from contextlib import suppress

from kube.commands import FailedError, run

BRIDGE = "apomixis-kube"
HOST = "10.200.0.1"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"
PREFIX = "apomixis-node"


def namespace(index: int) -> str:
    return f"{PREFIX}{index}"


def address(index: int) -> str:
    return f"10.200.0.{index + 2}"


def pods(index: int) -> str:
    return f"10.244.{index}.0/24"


def up(machines: int) -> None:
    """Make it all, with routes between the machines' pods."""
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "add", f"{HOST}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for index in range(machines):
        _machine(index, machines)
    ip("route", "add", SERVICES, "via", address(0))


def _machine(index: int, machines: int) -> None:
    name, cable = namespace(index), f"apomixisv{index}"
    inside = ("-netns", name)
    ip("netns", "add", name)
    ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", cable, "master", BRIDGE, "up")
    ip(*inside, "address", "add", f"{address(index)}/24", "dev", "eth0")
    ip(*inside, "link", "set", "eth0", "up")
    ip(*inside, "link", "set", "lo", "up")
    ip(*inside, "route", "add", "default", "via", HOST)
    run("nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    ip("route", "add", pods(index), "via", address(index))
    for other in range(machines):
        if other != index:
            ip(*inside, "route", "add", pods(other), "via", address(other))


def cable(index: int, *, plugged: bool) -> None:
    """Pull a machine's cable, or put it back."""
    ip("link", "set", f"apomixisv{index}", "up" if plugged else "down")


def down() -> None:
    """Remove what `up` made, whatever is left of it."""
    for line in ip("netns", "list").splitlines():
        if line.startswith(PREFIX):
            ip("netns", "delete", line.split()[0])
    with suppress(FailedError):
        ip("link", "delete", BRIDGE)  # and with it every route through it


def ip(*words: str) -> str:
    return run("ip", *words, seconds=20)
