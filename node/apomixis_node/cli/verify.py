"""`apomixis verify` and `apomixis rebalance`: what a CronJob and a Job run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.progress import Progress, TaskID

from apomixis_node.cli.folder import Entry, Folder
from apomixis_node.cli.introduction import Introduction, Shown
from apomixis_node.cli.operating import to_prove
from apomixis_node.cli.remote import Remote, source
from apomixis_node.cli.terminal import Failure, err, say
from apomixis_ring import transition
from apomixis_ring.model import Member, Ring
from apomixis_ring.transition import Report

LOOK_S = 0.5
TIMEOUT_S = 10.0
DataArgument = Annotated[Path | None, typer.Option("--data", help="Folder of an `apomixis up`.")]
NodeArgument = Annotated[
    str | None,
    typer.Option(
        "--node", help="Internal URL of any node, with the secret's file in APOMIXIS_SECRET_FILE."
    ),
]


def verify(data: DataArgument = None, node: NodeArgument = None) -> None:
    """Re-hash what every node holds; mend what is bad from other owners, finish what was left.

        apomixis verify --data ./images

    Exit status 1 if something bad could not be mended, or a node did not answer.
    """
    raise typer.Exit(asyncio.run(_verify(source(data, node))))


async def _verify(folder: Folder | Remote) -> int:
    auth = Shown(folder.secret)
    async with httpx.AsyncClient(auth=auth, timeout=TIMEOUT_S, trust_env=False) as client:
        with Progress(console=err) as progress:
            results = await asyncio.gather(
                *(_follow(client, progress, entry) for entry in folder.entries())
            )
    for name, passed in results:
        if passed is None:
            say(f"{name} did not answer.", "bold red")
            continue
        left = passed["bad"] - passed["mended"]
        say(
            f"{name}: {passed['files']} originals, {passed['bad']} bad, "
            f"{passed['mended']} mended, {passed['expired']} tombstones expired.",
            "bold red" if left else "",
        )
    return int(any(p is None or p["bad"] > p["mended"] for _, p in results))


async def _follow(
    client: httpx.AsyncClient, progress: Progress, entry: Entry
) -> tuple[str, dict[str, Any] | None]:
    """Start a node's pass and watch it to its end; None where the node falls silent."""
    bar = progress.add_task(entry.name, total=4096)
    try:
        began = (await client.post(f"{entry.internal_url}/verify")).raise_for_status().json()
        while True:
            await asyncio.sleep(LOOK_S)
            answer = await client.get(f"{entry.internal_url}/report")
            state: dict[str, Any] = answer.raise_for_status().json()["verify"]
            _show(progress, bar, state)
            if not state["running"] and state["finished"] > began["finished"]:
                progress.update(bar, completed=4096)
                return entry.name, state
    except (httpx.HTTPError, ValueError, KeyError):
        return entry.name, None


def _show(progress: Progress, bar: TaskID, state: dict[str, Any]) -> None:
    progress.update(bar, completed=state["position"])


def rebalance(
    epoch: Annotated[int, typer.Option(help="The ring's epoch, whose pending owners copy.")],
    data: DataArgument = None,
    node: NodeArgument = None,
) -> None:
    """Have the pending owners of a transition copy what is moving, until all have proved it.

        apomixis rebalance --epoch 2 --data ./images

    It may be ended and run again at any time. Exit status 1 if the ring has another epoch, or
    nothing is pending: then there is nothing to do under this one.
    """
    asyncio.run(_rebalance(source(data, node), epoch))


async def _rebalance(folder: Folder | Remote, epoch: int) -> None:
    talk = Introduction(folder.secret)
    with Progress(console=err) as progress:
        bar = progress.add_task(f"epoch {epoch}", total=None)
        while True:
            ring = folder.ring()
            if ring is None or ring.epoch != epoch or ring.pending is None:
                now = ring.epoch if ring else "none"
                raise Failure(f"The ring is at epoch {now}, with nothing to copy under {epoch}.")
            left, total = await _ask_to_copy(folder, talk, ring)
            progress.update(bar, total=total, completed=total - left)
            if not left:
                break
            await asyncio.sleep(LOOK_S)
    say(f"All {total} changed partitions are proved at epoch {epoch}.")


async def _ask_to_copy(folder: Folder | Remote, talk: Introduction, ring: Ring) -> tuple[int, int]:
    """Ask whoever lacks a proof to copy; how many partitions are left, of how many."""
    answers = await asyncio.gather(*(talk.report(e.internal_url) for e in folder.entries()))
    found: list[tuple[Member, Report]] = [answer for answer in answers if answer is not None]
    reports = {member.key: report for member, report in found}
    step = transition.copying(ring, reports)
    members = {member.key: member for member, _ in found}
    for key in step.members if step else ():
        if key in members:
            await talk.ask(members[key], ring, "copy", to_prove(ring, key))
    return (step.total - step.done, step.total) if step else (0, len(transition.changed(ring)))
