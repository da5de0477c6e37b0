"""Base levels ahead of the first request: made on the primary, which renders, after an upload.

After the acknowledgement, for they cost more than the decode that validates; a picture whose levels
are missing, because nobody had time or the cache was full, gets them with its first rendition.
"""

from __future__ import annotations

from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay
from tenacity.wait import wait_random_exponential

from apomixis_node import about as about_module
from apomixis_node import renditions
from apomixis_node.about import About
from apomixis_node.copies import Original
from apomixis_node.errors import ApiError
from apomixis_node.levels import has_levels
from apomixis_node.originals import here
from apomixis_node.peers import RingChangedError, UnreachableError
from apomixis_node.state import Node

LATE_S = 30.0


async def prepare(node: Node, image_id: str, about: About) -> None:
    """Have the primary make the base levels; whatever hinders it can wait for the first render."""
    ring = node.rings.ring
    primary = ring.owners(image_id)[0]
    try:
        if node.is_me(primary):
            await prepare_here(node, image_id, about)
        else:
            await node.peers.call(
                primary, "POST", f"/levels/{image_id}", ring=ring, content=about.dumps()
            )
    except (ApiError, UnreachableError, RingChangedError):
        return


async def prepare_here(node: Node, image_id: str, about: About) -> None:
    """Make the base levels on this node, which holds the original or will soon. Raises ApiError."""
    original = await _arrived(node, image_id)
    if renditions.kept(node, image_id, about_module.FILE) is None:
        await renditions.keep(node, image_id, about_module.FILE, about.dumps())
    if has_levels(about):
        async with node.preparing:  # one at a time: renders that somebody waits for come first
            await renditions.prepare(node, original, about)


async def _arrived(node: Node, image_id: str) -> Original:
    """The original, which may still be on its way: the copies of others were enough to answer."""
    attempts = AsyncRetrying(
        retry=retry_if_exception(_may_come),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(LATE_S),
        reraise=True,
    )
    return await attempts(here, node, image_id)


def _may_come(wrong: BaseException) -> bool:
    return isinstance(wrong, ApiError) and wrong.code in ("not_found", "not_ready")
