"""What can be told of a key without telling the key: whether two have the same."""

from __future__ import annotations

from hashlib import sha256

LENGTH = 16


def fingerprint(cluster: str, key: str) -> str:
    """Sixteen hex digits; another cluster's fingerprint of the same key is another."""
    return sha256(f"{cluster}\n{key}".encode()).hexdigest()[:LENGTH]
