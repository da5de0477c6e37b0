"""A running `apomixis up`: its nodes, and the operator's part that it plays for them.

    start every node ─► ask each who it is ─► make or keep the ring ─► put it to each
                              ▲                                             │
                              └────────── whenever a node starts again ◄────┘

cluster.json is written at every start and end, so that scripts always find what runs.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from rich.table import Table

from apomixis_node.cli.demo import show_sample
from apomixis_node.cli.folder import Entry, Folder
from apomixis_node.cli.introduction import Introduction, NotHeardError
from apomixis_node.cli.keeping import Shape, first_ring, keep_addresses, stranger
from apomixis_node.cli.operating import BUSY_S, REST_S, Operator, Teller
from apomixis_node.cli.processes import NGINX, Ended, Keeper, Spec
from apomixis_node.cli.terminal import Failure, out, say
from apomixis_node.cli.volumes import lost_volumes, put_away, wanted_names
from apomixis_node.front import close

if TYPE_CHECKING:
    from collections.abc import Callable

    from apomixis_ring.model import Member, Ring

CLUSTER = "apomixis"
NEW_CLUSTER_S = 60.0  # a new cluster needs every node to answer
KEPT_CLUSTER_S = 20.0  # one that has a ring goes on with those that do
CANT_RUN = 2  # exit status of `apomixis node` for wrong settings, a wrong volume, a taken port
LAST_WORDS = 5


class Cluster:
    """The nodes of one folder, from start to end."""

    def __init__(
        self,
        folder: Folder,
        make_spec: Callable[[str], Spec],
        shape: Shape,
        kept: Ring | None,
        *,
        restart: bool,
        draw: bool,
    ) -> None:
        """A cluster that goes on with the ring `kept`, or makes its first one of `shape`."""
        self._folder, self._make_spec, self._shape = folder, make_spec, shape
        self._cluster = kept.cluster if kept else CLUSTER
        self._kept = kept
        self._restart, self._draw = restart, draw
        self._introduction = Introduction(folder.secret)
        self._introducing: dict[str, asyncio.Task[None]] = {}
        self._members: dict[str, Member] = {}
        self._with_ring: set[str] = set()
        self._refused: set[str] = set()
        self._ring_known, self._complete = asyncio.Event(), asyncio.Event()
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._failure: Failure | None = None
        self._keepers: dict[str, Keeper] = {}
        self._fronts: dict[str, Keeper] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._teller = Teller()

    async def run(self) -> None:
        """Run until Ctrl-C or SIGTERM. Raises Failure when the cluster can't start."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        if self._kept:
            urls = {name: self._make_spec(name).internal_url for name in self._shape.names}
            keep_addresses(self._folder, self._kept, urls)
        self._write()  # nobody runs yet, whatever a killed `up` has left there
        say(f"Starting {len(self._shape.names)} nodes in {self._folder.path} …")
        async with asyncio.TaskGroup() as self._group:
            for name in self._shape.names:
                self._keep(name)
            acting = [self._group.create_task(self._lead())]
            await self._until_stopped()
            for keeper in (*self._fronts.values(), *self._keepers.values()):
                keeper.end()
            for task in (*acting, *self._introducing.values()):
                task.cancel()
        self._write()
        if self._failure:
            raise self._failure
        say("All nodes have ended.")

    def _keep(self, name: str) -> None:
        """Start a node and keep it running."""
        spec = self._make_spec(name)
        keeper = Keeper(
            spec,
            spec.environment(self._cluster, self._folder.secret_file),
            restart=self._restart,
            hurry=self._hurry,
            on_start=self._started,
            on_end=self._ended,
        )
        self._keepers[name] = keeper
        self._running[name] = self._group.create_task(keeper.run())
        if spec.socket:
            self._keep_nginx(spec)

    def _keep_nginx(self, spec: Spec) -> None:
        keeper = Keeper(
            spec,
            spec.environment(self._cluster, self._folder.secret_file),
            restart=True,
            hurry=self._hurry,
            on_start=lambda _: None,
            on_end=lambda spec, ended, delay: say(
                f"nginx of {spec.name} {ended}; it starts again in {delay:.1f} s. "
                f"Its log: {spec.log}",
                "yellow",
            ),
            program=NGINX,
        )
        self._fronts[spec.name] = keeper
        self._group.create_task(keeper.run())

    async def _end(self, name: str) -> None:
        """End a node for good; its folder stays."""
        keeper = self._keepers.pop(name, None)
        if nginx := self._fronts.pop(name, None):
            nginx.end()
        if keeper is not None:
            keeper.end()
            await self._running.pop(name)
            self._write()

    async def _until_stopped(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        while not stopped.done() and self._running:
            await asyncio.wait(
                {stopped, *self._running.values()},
                timeout=1.0,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if all(task.done() for task in self._running.values()) and not self._stop.is_set():
                self._fail(f"No node is left running; {self._folder.path}/node-0.log may say why.")
                break
        stopped.cancel()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
            return
        say("Ending all nodes; Ctrl-C again ends them at once.")
        self._stop.set()

    def _fail(self, sentence: str) -> None:
        self._failure = self._failure or Failure(sentence)
        self._stop.set()

    def _started(self, spec: Spec) -> None:
        self._write()
        if not self._stop.is_set():
            task = self._group.create_task(self._introduce(spec))
            self._introducing[spec.name] = task

    def _ended(self, spec: Spec, ended: Ended, delay: float | None) -> None:
        self._introducing[spec.name].cancel()
        close(spec.data)  # nginx serves for a node that lives
        self._write()
        if ended.status == CANT_RUN:
            self._refused.add(spec.name)
            sentence = f"{spec.name} can't run:\n{_last_words(spec)}"
            if self._folder.ring() is None or len(self._refused) == len(self._keepers):
                self._fail(sentence)
                return
            say(sentence, "red")
        again = f"it starts again in {delay:.1f} s" if delay is not None else "it stays down"
        say(f"{spec.name} {ended}; {again}. Its log: {spec.log}", "yellow")

    async def _introduce(self, spec: Spec) -> None:
        """Ask a node that has just started who it is, and put the ring to it."""
        try:
            member = await self._introduction.identity(spec)
            self._members[spec.name] = member
            ring = self._folder.ring() or await self._first_ring()
            if sentence := stranger(ring, member):
                say(sentence, "bold red")
            await self._introduction.put_ring(member, ring)
        except NotHeardError as sentence_of_why:
            say(str(sentence_of_why), "bold red")
            return
        if spec.name in self._with_ring:
            say(f"{spec.name} is back.", "green")
        self._with_ring.add(spec.name)
        if len(self._with_ring) == len(self._keepers):
            self._complete.set()

    async def _first_ring(self) -> Ring:
        """The ring of a new cluster, once all members are known: kept on disk before it is used."""
        if len(self._members) == len(self._shape.names) and not self._ring_known.is_set():
            members = [self._members[name] for name in self._shape.names]
            self._folder.keep_ring(first_ring(self._cluster, members, self._shape))
            self._ring_known.set()
        await self._ring_known.wait()
        ring = self._folder.ring()
        assert ring is not None  # noqa: S101  kept right before the event
        return ring

    async def _lead(self) -> None:
        """Wait for the nodes, say which are missing, show where everything is, and operate."""
        try:
            patience = KEPT_CLUSTER_S if self._kept else NEW_CLUSTER_S
            await asyncio.wait_for(self._complete.wait(), patience)
        except TimeoutError:
            missing = [k.spec for n, k in self._keepers.items() if n not in self._with_ring]
            names = ", ".join(spec.name for spec in missing)
            sentence = f"{names} did not start. Last words:\n{_last_words(missing[0])}"
            if self._folder.ring() is None:
                self._fail(sentence)
                return
            say(sentence, "yellow")
        self._show()
        if self._draw:
            await show_sample(self._entries(), self._folder.secret_file)
        await self._operate()

    async def _operate(self) -> None:
        """The operator's part: start what is wanted, take the ring there, stop what has left."""
        operator = Operator(
            self._folder,
            self._introduction,
            lambda: [keeper.spec.internal_url for keeper in self._keepers.values()],
            self._teller,
        )
        while True:
            wanted = self._folder.wanted()
            for name in wanted_names(wanted):
                if name not in self._keepers:
                    say(f"{name} starts.")
                    self._keep(name)
            for name in lost_volumes(self._folder, wanted):
                await self._end(name)
                say(f"{name} gets a blank volume; the old one is {put_away(self._folder, name)}.")
                self._keep(name)
            for name in await operator.once():
                say(f"{name} has left; its folder stays: {self._folder.data(name)}")
                await self._end(name)
            await asyncio.sleep(REST_S if operator.at_rest else BUSY_S)

    def _show(self) -> None:
        ring = self._folder.ring()
        assert ring is not None  # noqa: S101  shown only once there is one
        table = ring.current
        grid = Table(
            title=f"{table.replication} copies, {table.write_quorum} before 201",
            title_justify="left",
        )
        for heading in ("node", "open", "zone", "process", "in front"):
            grid.add_column(heading, overflow="fold")
        for entry in self._entries():
            pid = str(entry.pid) if entry.pid else "not running"
            nginx = self._fronts.get(entry.name)
            front = f"nginx, {nginx.pid or 'not running'}" if nginx else "-"
            grid.add_row(entry.name, entry.public_url, entry.zone or "-", pid, front)
        out.print(grid)
        say("Open any of these and drop a photograph on the page. Ctrl-C ends all.")

    def _entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(s.name, s.public_url, s.internal_url, s.zone, k.pid, str(s.data))
            for k in self._keepers.values()
            for s in (k.spec,)
        )

    def _write(self) -> None:
        self._folder.keep_cluster(self._cluster, self._entries())


def _last_words(spec: Spec) -> str:
    lines = spec.log.read_text(errors="replace").splitlines() if spec.log.exists() else []
    return "\n".join(lines[-LAST_WORDS:]) or "nothing."
