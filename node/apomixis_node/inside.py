"""What runs inside a worker before its first job.

Workers are forks of one process that has imported the pixels' half of the node and nothing else.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any, TypeVar

PRELOADED = ("apomixis_node.inside", "apomixis_node.about", "apomixis_node.render", "pebble")
"""Where the functions are that workers are given, and what gives them."""

T = TypeVar("T")
NICE = 10
PR_SET_PDEATHSIG = 1


def nothing() -> None:
    """A job that shows that a worker works."""


def tidily(function: Callable[..., T], *args: Any) -> T:
    """Run it, and give back what it has freed: the C library keeps blocks for the next job, which
    may be the size of a stamp."""
    try:
        return function(*args)
    finally:
        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
            trim(0)


def begin(memory: int) -> None:
    """Low priority, little memory (bytes of address space), and no life without the node.

    The forkserver ends once nobody holds its pipe, and takes its children with it. Each child gets
    the pipe too: given up here, the node alone holds it, and its end is theirs, however it comes.
    """
    parent = os.getppid()
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
