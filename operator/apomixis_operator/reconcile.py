"""One round for one cluster: look, plan, act, say. It keeps nothing but what was last applied."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from apomixis_operator.act import Act
from apomixis_operator.actions import Plan
from apomixis_operator.kube import ConflictError, Kube, RefusedError
from apomixis_operator.observe import Applied, observe
from apomixis_operator.observed import Observed
from apomixis_operator.plan import plan
from apomixis_operator.resources.names import GROUP, KIND, VERSION
from apomixis_operator.settings import Settings
from apomixis_operator.status import status
from apomixis_operator.times import timestamp

log = structlog.get_logger()


@dataclass
class Memory:
    """Of one cluster, in this process only: to lose it costs requests, never correctness."""

    applied: Applied = field(default_factory=Applied)
    told: tuple[str, str] = ("", "")


def reconcile(
    kube: Kube, settings: Settings, namespace: str, name: str, memory: Memory
) -> Plan | None:
    """One round; what was planned, None where the cluster is gone."""
    body = kube.get(KIND, namespace, name)
    if body is None:
        return None
    seen = observe(kube, body, memory.applied, settings)
    planned = plan(seen, settings.namespace)
    try:
        Act(kube, seen, memory.applied).all(planned)
    except ConflictError as conflict:
        log.info("somebody else was faster", cluster=name, why=str(conflict))
        return planned
    except RefusedError as refused:
        planned = _refused(planned, refused)
    _say(kube, settings, seen, planned, memory)
    return planned


def _refused(planned: Plan, refused: RefusedError) -> Plan:
    sentence = f"The API server refuses what is to be written: {refused}"
    return replace(
        planned, phase="Blocked", reason="InvalidTemplate", sentence=sentence, blocked=True
    )


def _say(kube: Kube, settings: Settings, seen: Observed, planned: Plan, memory: Memory) -> None:
    """Status where it differs, an Event where the sentence's reason does."""
    cluster = seen.cluster
    wanted = status(seen, planned)
    if wanted != cluster.status:
        gone = {key: None for key in cluster.status if key not in wanted}
        kube.patch(KIND, cluster.namespace, cluster.name, {"status": {**wanted, **gone}}, "status")
    told = (planned.phase, planned.reason)
    if told == memory.told or (planned.phase == "Ready" and not memory.told[0]):
        memory.told = told
        return
    memory.told = told
    log.info(planned.sentence, cluster=cluster.name, phase=planned.phase, reason=planned.reason)
    kube.create(_event(settings, seen, planned))


def _event(settings: Settings, seen: Observed, planned: Plan) -> dict[str, Any]:
    now = timestamp(seen.now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{seen.cluster.name}.{time.time_ns():x}",
            "namespace": seen.cluster.namespace,
        },
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": seen.cluster.name,
            "namespace": seen.cluster.namespace,
            "uid": seen.cluster.uid,
        },
        "reason": planned.reason,
        "message": planned.sentence[:1000],
        "type": "Warning" if planned.blocked else "Normal",
        "source": {"component": settings.name},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
