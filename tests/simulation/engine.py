"""A deterministic world: one random seed decides what happens next, and so the whole history.

Everything that acts is a generator that yields what it waits for: `Pause` (anything may happen
now), `Until` (something is true), `Send` (a request is on its way, a ticket comes back at once) and
`AnyOf` (the first of some tickets is answered, or silent). Messages are delayed, lost, doubled and
cut; a lost answer does not undo what was done.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apomixis_ring.model import Ring


@dataclass(frozen=True, slots=True)
class Request:
    """A call to whoever is at an address; `ring` is the caller's, its epoch is the call's."""

    kind: str
    ring: Ring | None = None
    meant: str | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """`code` is "ok", "stale" (with the newer ring), "newer" (with a stamp), "wrong", "refused"."""

    code: str
    body: dict[str, Any] = field(default_factory=dict)


OK = Reply("ok")
REFUSED = Reply("refused")


@dataclass(slots=True)
class Ticket:
    """A request under way; `reply` None after `settled` is silence."""

    to: str
    settled: bool = False
    reply: Reply | None = None
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Let anything else happen."""


@dataclass(frozen=True, slots=True)
class Until:
    """Wait for this to be true."""

    true: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Send:
    """Send and go on; gives a Ticket."""

    to: str
    request: Request


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Wait for one more of these tickets; gives it."""

    tickets: list[Ticket]


Effect = Pause | Until | Send | AnyOf
Procedure = Generator[Effect, Any, Any]


@dataclass(slots=True, eq=False)
class Task:
    """A running procedure; it ends with its owner."""

    owner: str
    procedure: Procedure
    wait: Effect | None = None
    then: Callable[[Any], None] | None = None  # gets the result, None if it was killed


class Engine:
    """Tasks, messages, and the dice."""

    def __init__(self, seed: int, *, loss: float, doubling: float, late: float) -> None:
        self.random = random.Random(seed)
        self.loss, self.doubling, self.late = loss, doubling, late
        self.now = 1_000_000
        self.ready: list[Task | Callable[[], None]] = []
        self.waiting: list[Task] = []
        self.cuts: set[frozenset[str]] = set()
        self.deliver: Callable[[str, Request, Callable[[Reply | None], None]], bool] = _nobody
        self.log: list[str] = []
        self.interference = 0
        self.holding = 0.0  # how often a message is kept back until `release`
        self.held: list[Callable[[], None]] = []

    def note(self, text: str) -> None:
        """A line of the history."""
        self.log.append(f"{self.now} {text}")

    def start(
        self, owner: str, procedure: Procedure, then: Callable[[Any], None] | None = None
    ) -> None:
        """Run a procedure as `owner`; `then` gets its result."""
        self.ready.append(Task(owner, procedure, then=then))

    def kill(self, owner: str) -> None:
        """End everything that `owner` does."""
        gone = [t for t in self.ready if isinstance(t, Task) and t.owner == owner]
        gone += [t for t in self.waiting if t.owner == owner]
        self.ready = [t for t in self.ready if t not in gone]
        self.waiting = [t for t in self.waiting if t not in gone]
        for task in gone:
            task.procedure.close()
            if task.then is not None:
                task.then(None)  # whoever waits for it hears silence

    def release(self) -> None:
        """What was kept back arrives, long after its sender gave up."""
        self.ready += self.held
        self.held.clear()

    def connected(self, a: str, b: str) -> bool:
        """Whether messages between two addresses arrive."""
        return frozenset((a, b)) not in self.cuts

    def step(self) -> bool:
        """One event; False when there is nothing left to happen."""
        self.now += self.random.randint(0, 3)
        self._wake()
        if not self.ready:
            return False
        index = self.random.randrange(len(self.ready))
        self.ready[index], self.ready[-1] = self.ready[-1], self.ready[index]
        event = self.ready.pop()
        if isinstance(event, Task):
            self._resume(event, event.wait)
        else:
            event()
        return True

    def _wake(self) -> None:
        still: list[Task] = []
        for task in self.waiting:
            wait = task.wait
            due = (isinstance(wait, Until) and wait.true()) or (
                isinstance(wait, AnyOf) and any(t.settled and not t.taken for t in wait.tickets)
            )
            (self.ready if due else still).append(task)
        self.waiting = still

    def _resume(self, task: Task, wait: Effect | None) -> None:
        value: Any = None
        if isinstance(wait, AnyOf):
            value = next(t for t in wait.tickets if t.settled and not t.taken)
            value.taken = True
        try:
            effect = task.procedure.send(value)
            while isinstance(effect, Send):
                effect = task.procedure.send(self._send(task.owner, effect))
        except StopIteration as end:
            if task.then is not None:
                task.then(end.value)
            return
        task.wait = effect
        (self.ready if isinstance(effect, Pause) else self.waiting).append(task)

    def _send(self, sender: str, send: Send) -> Ticket:
        ticket = Ticket(send.to)

        def silence() -> None:
            ticket.settled = True

        if self.random.random() < self.holding:
            self.held.append(lambda: self._arrive(sender, send, Ticket(send.to)))
            self.interference += 1
            self.ready.append(silence)
            return ticket
        lost = self.random.random() < self.loss
        if lost or self.random.random() < self.late:
            self.interference += 1
            self.ready.append(silence)
        if not lost:
            for _ in range(1 + (self.random.random() < self.doubling)):
                self.ready.append(lambda: self._arrive(sender, send, ticket))
        return ticket

    def _arrive(self, sender: str, send: Send, ticket: Ticket) -> None:
        def answer(reply: Reply | None) -> None:
            def back() -> None:
                arrives = self.connected(sender, send.to) and reply is not None
                if not ticket.settled:
                    ticket.settled, ticket.reply = True, reply if arrives else None

            lost = self.random.random() < self.loss
            self.interference += lost
            self.ready.append((lambda: answer(None)) if lost and reply else back)

        if not self.connected(sender, send.to) or not self.deliver(send.to, send.request, answer):
            answer(None)


def _nobody(to: str, request: Request, answer: Callable[[Reply | None], None]) -> bool:
    del to, request, answer
    return False


def call(to: str, request: Request) -> Generator[Effect, Any, Reply | None]:
    """Send and wait; None is silence."""
    ticket = yield Send(to, request)
    yield AnyOf([ticket])
    reply: Reply | None = ticket.reply
    return reply
