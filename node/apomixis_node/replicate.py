"""The write path of an upload: an original to every owner, kept on the disk of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from anyio import to_thread

from apomixis_node.copies import Collision, HashMismatch, NewerStamp
from apomixis_node.disk import DiskFailed, DiskFull
from apomixis_node.errors import ApiError
from apomixis_node.incoming import Incoming
from apomixis_node.originals import read_file
from apomixis_node.peers import EXTENSION, STAMP
from apomixis_node.rounds import Outcome, clock_ms, write_everywhere
from apomixis_node.state import Node
from apomixis_ring.epochs import too_late
from apomixis_ring.model import Member, Ring
from apomixis_ring.quorum import Decision, acknowledged


async def replicate(
    node: Node, incoming: Incoming, extension: str, done: Callable[[], None]
) -> Outcome:
    """Send `incoming` to all writers; returns when W of each table hold it, fsynced.

    `done` is called once when nobody needs the incoming file any more, maybe long after.
    Raises ApiError: `quorum_not_met` with the number of copies, `collision`, `disk_full`.
    """
    return await write_everywhere(node, _Upload(node, incoming, extension), done)


class _Upload:
    """A Write of an original."""

    def __init__(self, node: Node, incoming: Incoming, extension: str) -> None:
        self.image_id = incoming.digest
        self._node, self._incoming, self._extension = node, incoming, extension

    def decide(self, ring: Ring, holders: set[str]) -> Decision:
        """W owners of each table."""
        return acknowledged(ring, self.image_id, holders)

    async def here(self, epoch: int, stamp: int) -> bool:
        """Keep it on this node."""
        return await put_here(self._node, epoch, self._incoming, self._extension, stamp)

    async def there(self, member: Member, ring: Ring, stamp: int) -> bool:
        """Put it to another owner."""
        return await put_there(
            self._node, member, ring, self._incoming, self._extension, stamp, copy=False
        )


async def put_there(
    node: Node,
    member: Member,
    ring: Ring,
    incoming: Incoming,
    extension: str,
    stamp: int,
    *,
    copy: bool,
) -> bool:
    """Put an original to a member, as an upload or as a copy; True if it was not there."""
    async with aclosing(read_file(incoming.reopen(), 0, incoming.length)) as body:
        answer = await node.peers.call(
            member,
            "PUT",
            f"/{'copies' if copy else 'originals'}/{incoming.digest}",
            ring=ring,
            content=body,
            headers={
                "Content-Length": str(incoming.length),
                STAMP: str(stamp),
                EXTENSION: extension,
            },
        )
    return answer.status_code == 201


async def put_here(
    node: Node, epoch: int, incoming: Incoming, extension: str, stamp: int, *, copy: bool = False
) -> bool:
    """Keep an original on this node under `epoch`; True if it was not there. Raises ApiError."""

    def keep() -> bool:
        kept = node.store.keep(
            incoming,
            incoming.digest,
            extension,
            stamp,
            still_allowed=lambda: node.rings.require(epoch),
            copy=copy,
        )
        return kept.created

    if not copy:
        refuse_late(node, stamp)
    async with node.rings.writing(epoch):
        with as_errors(node, incoming.digest):
            return await to_thread.run_sync(keep)


def refuse_late(node: Node, stamp: int) -> None:
    """Raise ApiError `bad_request` for a retry so old that a tombstone may have come and gone."""
    if too_late(stamp, clock_ms(), node.settings.tombstone_ms):
        raise ApiError("bad_request", "This write is too old to be tried again; send it anew.")


@contextmanager
def as_errors(node: Node, written: str = "") -> Iterator[None]:
    """What a store refuses, as ApiErrors.

    `written`: the id of a write. One that the disk fails is synced once the disk is well.
    """
    try:
        yield
    except NewerStamp as newer:
        detail = f"The image has the stamp {newer.stamp} here; send it with a newer one."
        raise ApiError("newer_stamp", detail, {"stamp": newer.stamp}) from None
    except Collision:
        detail = "Other bytes with the same SHA-1 are kept already; this picture can't be."
        raise ApiError("collision", detail) from None
    except HashMismatch:
        raise ApiError(
            "hash_mismatch", "The bytes are not those of the id; send it again."
        ) from None
    except DiskFailed as failed:
        if written:
            node.wants_sync.add(node.rings.ring.index(written))
        raise disk_error(node, failed) from None


def disk_error(node: Node, failed: DiskFailed) -> ApiError:
    """507 for a full disk, 503 for one that fails, naming the node whose disk it is."""
    if not isinstance(failed, DiskFull):
        return ApiError("not_ready", f"The disk of {node.identity.name} fails: {failed}")
    detail = f"The disk of {node.identity.name} is full ({failed}); "
    return ApiError("disk_full", f"{detail}grow its volume or delete images.")
