"""A new secret for the members, at a person's word, without one refused call between them.

A node shows the first key and accepts every one; a change reaches it up to 80 seconds late, each
at another time. So three steps, and before each every node has said that it has read the last:

    old  →  old, new  →  new, old  →  new
            accepted      shown        the old one is refused

The Secret remembers which value of the annotation was carried out; the ring has no part in it.
"""

from __future__ import annotations

from apomixis_operator.actions import Plan, RotateSecret
from apomixis_operator.observed import Observed, SecretObject

ROTATE = "apomixis.io/rotate-secret"
JOB_LAG_S = 120.0
"""How long the old key is accepted after the last node has left it: Jobs read it as late as nodes
do, and do not report."""

STEPS = {
    "add": "a new key is accepted",
    "use": "the new key is shown",
    "drop": "the old key is refused",
}


def plan(seen: Observed) -> Plan | None:
    """The next step; None where none is wanted."""
    secret = seen.secret
    step = _step(secret, seen.cluster.annotations.get(ROTATE, "")) if secret else ""
    if secret is None or not step:
        return None
    late = [
        name
        for name in sorted(seen.pods)
        if name not in seen.nodes or seen.nodes[name].keys != secret.keys
    ]
    if late:
        return _waiting(f"{', '.join(late)} has not read the Secret yet, or does not answer.")
    if step == "drop" and seen.now - secret.changed < JOB_LAG_S:
        return _waiting("Jobs that still show the old key may run for two minutes more.")
    value = seen.cluster.annotations[ROTATE] if step == "add" else secret.rotated
    sentence = f"The members' secret is rotated: {STEPS[step]}."
    return Plan((RotateSecret(secret, step, value),), "Updating", "SecretRotates", sentence)


def _step(secret: SecretObject, wanted: str) -> str:
    """What comes next: a rotation that has begun ends, whatever the annotation says by then."""
    if len(secret.keys) < 2:
        return "add" if wanted and wanted != secret.rotated else ""
    return "drop" if secret.shows_new else "use"


def _waiting(why: str) -> Plan:
    return Plan((), "Updating", "SecretRotates", f"The members' secret is rotated. {why}")


def after(keys: tuple[str, ...], step: str, new: str) -> tuple[str, ...]:
    """The keys after a step, `new` being the one that "add" adds."""
    if step == "add":
        return (keys[0], new)
    return (keys[1], keys[0]) if step == "use" else keys[:1]
