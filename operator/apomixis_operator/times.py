"""Times as Kubernetes writes them, and as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """`2026-11-27T04:05:06Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """Of such a text."""
    return datetime.fromisoformat(text).timestamp()
