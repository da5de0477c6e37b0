"""The network of a history: a namespace of its own, where links are cut and made slow.

Every node of `apomixis up` has a loopback address of its own, which its calls leave from, so a cut
between two nodes is a packet filter's rule. It needs root, `unshare`, `ip`, `nft` and `tc`; nothing
outside the namespace is touched, and it is gone when its last process is.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

TOOLS = ("unshare", "ip", "nft", "tc", "mount")
INSIDE = ("unshare", "--net", "--mount", "--")
TABLE = "apomixis_faults"
SLOW = (("netem", "delay", "40ms", "20ms", "loss", "1%"), ("tbf", "rate", "8mbit"))
TBF_BUFFERS = ("burst", "32kb", "latency", "400ms")


def missing() -> str:
    """What is missing for a network of one's own, in one line; "" if nothing is."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (Debian: util-linux, iproute2, nftables)"
    done = _run(*INSIDE, "nft", "list", "ruleset")
    return f"no network namespace can be made (root is needed): {done}" if done else ""


def _run(*command: str) -> str:
    """What went wrong; "" if nothing did."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.stderr.strip() or str(done.returncode) if done.returncode else ""


class Network:
    """Cuts and slowness inside the namespace of this process."""

    def __init__(self) -> None:
        self._must("ip", "link", "set", "lo", "up")
        self._must("nft", f"add table inet {TABLE}")
        hook = "{ type filter hook output priority 0; }"
        self._must("nft", f"add chain inet {TABLE} output {hook}")

    def cut(self, one: str, others: Sequence[str]) -> None:
        """No packet passes between the address `one` and the others, either way."""
        for other in others:
            for source, target in ((one, other), (other, one)):
                rule = f"ip saddr {source} ip daddr {target} drop"
                self._must("nft", f"add rule inet {TABLE} output {rule}")

    def mend(self) -> None:
        """Everything passes again."""
        self._must("nft", f"flush chain inet {TABLE} output")

    def slow(self) -> str:
        """Delay and lose packets, or where the kernel can't, bound the rate; what was done."""
        for kind in SLOW:
            buffers = TBF_BUFFERS if kind[0] == "tbf" else ()
            if not _run("tc", "qdisc", "replace", "dev", "lo", "root", *kind, *buffers):
                return " ".join(kind)
        raise AssertionError("the kernel has neither netem nor tbf")

    def fast(self) -> None:
        """As it was."""
        _run("tc", "qdisc", "del", "dev", "lo", "root")

    def mount(self, folder: Path, size: int) -> None:
        """A volume of `size` bytes on `folder`, seen in this namespace only."""
        folder.mkdir(parents=True, exist_ok=True)
        self._must("mount", "-t", "tmpfs", "-o", f"size={size}", "apomixis", str(folder))

    def _must(self, *command: str) -> None:
        wrong = _run(*command)
        assert not wrong, f"{' '.join(command)}: {wrong}"
