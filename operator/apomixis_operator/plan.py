"""The plan: from what is seen now to what to do now, and one sentence why. Pure.

    deleting? → paused? → valid? → children → pods stuck? → ring there? → members lost? →
    volumes too small? → transition → update, one pod at a time → nodes that have left →
    a new secret? → nodes that have not started?

Each question is a module; the first that has something to do says so, and nothing after it is
done in this round. So at most one of transition, update, replacement and growth goes on at a time.
Nothing is remembered between two rounds but what the ring's object holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from apomixis_operator import bootstrap, children, expand, heal, move, retire, rollout, rotate
from apomixis_operator.actions import Plan
from apomixis_operator.observed import Observed

Question = Callable[[Observed], Plan | None]


def plan(seen: Observed, operator_namespace: str) -> Plan:
    """What to do now."""
    cluster = seen.cluster
    if cluster.deleting:
        return Plan((), "Terminating", "Deleting", "The cluster is being deleted.")
    if cluster.spec is None:
        return Plan.blocked_by("InvalidSpec", cluster.invalid)
    if cluster.spec.paused:
        return Plan((), "Paused", "Paused", "Nothing is changed while spec.paused is true.")
    sentence = f"{cluster.spec.replicas} nodes own everything; nothing is to be done."
    answers = (question(seen) for question in QUESTIONS)
    found = next(
        (answer for answer in answers if answer is not None),
        Plan((), "Ready", "Stable", sentence),
    )
    # The children first: they are what the rest runs in.
    actions = (*children.plan(seen, operator_namespace), *found.actions)
    return replace(found, actions=actions)


QUESTIONS: tuple[Question, ...] = (
    rollout.stuck,
    bootstrap.plan,
    heal.plan,
    expand.plan,
    move.plan,
    rollout.plan,
    retire.plan,
    rotate.plan,
    move.missing,
)
