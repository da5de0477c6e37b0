"""The Job that moves copies for one epoch, and the CronJob that verifies."""

from __future__ import annotations

from typing import Any

from apomixis_operator.observed import Cluster
from apomixis_operator.resources import names
from apomixis_operator.resources.pod import RESTRICTED, SECRET, pod_security
from apomixis_operator.spec import Spec

EPOCH, ATTEMPT = "apomixis.io/epoch", "apomixis.io/attempt"
DAY_S = 86400
STARTING_DEADLINE_S = 600


def rebalance_job(
    cluster: Cluster, spec: Spec, image: str, epoch: int, attempt: int
) -> dict[str, Any]:
    """`photos-rebalance-e42-1`: drives and shows the copying; its success proves nothing."""
    command = ["apomixis", "rebalance", "--epoch", str(epoch), "--node", _any_node(cluster)]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": names.metadata(
            cluster,
            f"{cluster.name}-rebalance-e{epoch}-{attempt}",
            component=names.REBALANCE,
            annotations={EPOCH: str(epoch), ATTEMPT: str(attempt)},
        ),
        "spec": {
            "backoffLimit": 3,
            "activeDeadlineSeconds": 7 * DAY_S,
            "template": _pod(cluster, spec, image, names.REBALANCE, command),
        },
    }


def verify_cron_job(cluster: Cluster, spec: Spec, image: str) -> dict[str, Any] | None:
    """None where no schedule is set."""
    if not spec.verify_schedule:
        return None
    command = ["apomixis", "verify", "--node", _any_node(cluster)]
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": names.metadata(cluster, f"{cluster.name}-verify", component=names.VERIFY),
        "spec": {
            "schedule": spec.verify_schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": STARTING_DEADLINE_S,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "suspend": spec.hibernate,
            "jobTemplate": {
                "metadata": {"labels": names.labels(cluster.name, names.VERIFY)},
                "spec": {
                    "backoffLimit": 1,
                    "template": _pod(cluster, spec, image, names.VERIFY, command),
                },
            },
        },
    }


def _any_node(cluster: Cluster) -> str:
    host = f"{names.headless_name(cluster.name)}.{cluster.namespace}.svc"
    return f"http://{host}:{names.INTERNAL_PORT}"


def _pod(
    cluster: Cluster, spec: Spec, image: str, component: str, command: list[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "serviceAccountName": cluster.name,
        "securityContext": pod_security(),
        "containers": [
            {
                "name": component,
                "image": image,
                "imagePullPolicy": spec.pull_policy,
                "command": command,
                "env": [{"name": "APOMIXIS_SECRET_FILE", "value": f"{SECRET}/keys"}],
                "securityContext": RESTRICTED,
                "volumeMounts": [{"name": "secret", "mountPath": SECRET, "readOnly": True}],
            }
        ],
        "volumes": [
            {
                "name": "secret",
                "secret": {
                    "secretName": names.secret_name(cluster.name),
                    "defaultMode": 0o440,
                },
            }
        ],
    }
    if spec.pull_secrets:
        found["imagePullSecrets"] = [dict(secret) for secret in spec.pull_secrets]
    return {"metadata": {"labels": names.labels(cluster.name, component)}, "spec": found}
