"""What lies on the nodes' volumes, compared with what the ring says must lie there."""

from __future__ import annotations

from collections.abc import Iterable

from e2e.release import Release

LIST = "import pathlib; print(*(p.stem for p in pathlib.Path('/data/originals').glob('*/*')))"


def originals(release: Release, pod: str) -> set[str]:
    """Ids of the originals on a pod's volume."""
    python = ("/opt/apomixis/bin/python3", "-c", LIST)
    return set(release.kubectl("exec", pod, "-c=node", "--", *python).split())


def misplaced(release: Release, acknowledged: Iterable[str]) -> list[str]:
    """Every picture that is not on exactly its owners, with what is wrong."""
    ring = release.ring()
    held = {pod: originals(release, pod) for pod in release.pods()}
    wrong = []
    for image_id in acknowledged:
        owners = {member.name for member in ring.owners(image_id)}
        holders = {pod for pod, ids in held.items() if image_id in ids}
        if owners != holders:
            wrong.append(f"{image_id}: owned by {sorted(owners)}, held by {sorted(holders)}")
    return wrong
