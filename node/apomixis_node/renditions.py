"""Renditions: from this node's cache, made from its own original, or got from the first reader.

One render in the cluster: every node asks the same first live reader, and there equal requests
share one run. A rendition got from a peer is kept here too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from anyio import to_thread

from apomixis_node import about as about_module
from apomixis_node.about import About
from apomixis_node.copies import Original, Tombstone
from apomixis_node.decode import Limits
from apomixis_node.disk import DiskFailed
from apomixis_node.errors import ApiError
from apomixis_node.formats import Format
from apomixis_node.levels import Level, level_for, make_levels, name_of
from apomixis_node.originals import here as original_here
from apomixis_node.readers import from_readers, refuse_outdone
from apomixis_node.render import Encoding, render, render_level
from apomixis_node.sizes import Size, geometry
from apomixis_node.state import Node
from apomixis_node.workers import WorkerFailed
from apomixis_ring.marks import Mark
from apomixis_ring.model import Member, Ring

T = TypeVar("T")


def kept(node: Node, image_id: str, name: str) -> bytes | None:
    """A rendition (or `about.json`) from this node's cache, if it is there."""
    return node.cache.read(image_id, name)


async def rendition(node: Node, image_id: str, size: Size, form: Format) -> bytes:
    """The rendition from anywhere in the cluster. Raises ApiError."""
    name = f"{size}.{form.extension}"
    if (data := kept(node, image_id, name)) is not None:
        node.metrics.renditions.labels("cache").inc()
        return data

    async def there(member: Member, ring: Ring, tombstone: Mark | None) -> bytes:
        # A render may be silent for long; a member that is frozen is not waited for as long.
        since = node.cache.purges(image_id)
        held = await node.peers.call(member, "GET", f"/held/{image_id}", ring=ring)
        refuse_outdone(held, tombstone)
        answer = await node.peers.call(
            member,
            "GET",
            f"/renditions/{image_id}/{name}",
            ring=ring,
            patience=node.settings.render_deadline + node.settings.peer_timeout,
        )
        await keep(node, image_id, name, answer.content, since)
        node.metrics.renditions.labels("peer").inc()
        return answer.content

    async def search() -> bytes:
        return await from_readers(
            node, image_id, lambda: rendition_here(node, image_id, size, form), there
        )

    return await node.flights.do(("rendition", image_id, name), search)


async def rendition_here(node: Node, image_id: str, size: Size, form: Format) -> bytes:
    """The rendition from this node alone. Raises ApiError, also as this node's "no"."""
    original = await original_here(node, image_id)
    name = f"{size}.{form.extension}"

    async def make() -> bytes:
        if (data := kept(node, image_id, name)) is not None:
            return data
        about = await _about(node, original)
        source = await _source(node, original, about, size)
        data = await _render(node, source, about, size, form)
        await keep(node, image_id, name, data)
        return data

    return await node.flights.do(("render", image_id, name), make)


async def about(node: Node, image_id: str) -> About:
    """What is known of the picture, from anywhere in the cluster. Raises ApiError."""
    if (text := kept(node, image_id, about_module.FILE)) and (found := about_module.loads(text)):
        return found

    async def there(member: Member, ring: Ring, tombstone: Mark | None) -> About:
        since = node.cache.purges(image_id)
        answer = await node.peers.call(member, "GET", f"/about/{image_id}", ring=ring)
        refuse_outdone(answer, tombstone)
        if (found := about_module.loads(answer.content)) is None:
            raise ApiError("internal_error", f"{member.name} described the picture wrongly.")
        await keep(node, image_id, about_module.FILE, answer.content, since)
        return found

    return await from_readers(node, image_id, lambda: about_here(node, image_id), there)


async def about_here(node: Node, image_id: str) -> About:
    """What is known of the picture, from this node alone. Raises ApiError."""
    return await _about(node, await original_here(node, image_id))


async def _about(node: Node, original: Original) -> About:
    """What is known of an original that was just looked at. Raises ApiError."""
    image_id = original.id
    text = kept(node, image_id, about_module.FILE)
    if text and (found := about_module.loads(text)):
        return found

    async def make() -> About:
        # What was taken once stays readable, whatever the limits for uploads are today.
        limits = Limits(max_pixels=max(node.settings.max_pixels, node.settings.render_pixels))
        try:
            made = await examine_in_worker(node, original.path, limits)
        except WorkerFailed as failed:
            raise ApiError("render_failed", f"{failed} Try again in a moment.") from failed
        await keep(node, image_id, about_module.FILE, made.dumps())
        return made

    return await node.flights.do(("about", image_id), make)


async def examine_in_worker(node: Node, path: Path, limits: Limits) -> About:
    """Header first, then the full decode, in a worker. Raises ApiError, WorkerFailed."""
    pixels = await node.workers.run(about_module.inspect_file, str(path), limits, pixels=0)
    return await node.workers.run(about_module.examine_file, str(path), limits, pixels=pixels)


async def _source(node: Node, original: Original, about: About, size: Size) -> Original | Level:
    """What the rendition is made from: the level that the rule names, or the original."""
    side = level_for(about, geometry(size, about.width, about.height))
    if side is None:
        return original
    name = name_of(side, alpha=about.alpha)
    if (data := kept(node, original.id, name)) is not None:
        return Level(name, data)
    return next(level for level in await prepare(node, original, about) if level.name == name)


async def prepare(node: Node, original: Original, about: About) -> tuple[Level, ...]:
    """Make the base levels of an original that is here, and keep them. Raises ApiError."""

    async def make() -> tuple[Level, ...]:
        levels = await _work(node, make_levels_file, str(original.path), pixels=about.pixels)
        for level in levels:
            await keep(node, original.id, level.name, level.data)
        return levels

    return await node.flights.do(("levels", original.id), make)


async def _render(
    node: Node, source: Original | Level, about: About, size: Size, form: Format
) -> bytes:
    began = time.monotonic()
    try:
        if isinstance(source, Level):
            what = (source.data, about, size, form, node.encoding)
            data = await _work(node, render_level, *what, pixels=source.pixels)
        else:
            path = str(source.path)
            data = await _work(
                node, render_file, path, size, form, node.encoding, pixels=about.pixels
            )
    except ApiError:
        node.metrics.renders.labels(format=form.extension, result="failed").inc()
        raise
    node.metrics.renders.labels(format=form.extension, result="made").inc()
    node.metrics.render_seconds.observe(time.monotonic() - began)
    node.metrics.renditions.labels("render").inc()
    return data


async def _work(node: Node, function: Callable[..., T], *args: Any, pixels: int) -> T:
    """In a worker. Raises ApiError `render_failed` where the worker fails."""
    try:
        return await node.workers.run(function, *args, pixels=pixels)
    except WorkerFailed as failed:
        raise ApiError("render_failed", f"{failed} Try again in a moment.") from failed


def render_file(path: str, size: Size, form: Format, encoding: Encoding) -> bytes:
    """In a worker: read an original and render it."""
    return render(Path(path).read_bytes(), size, form, encoding)


def make_levels_file(path: str) -> tuple[Level, ...]:
    """In a worker: read an original and make its base levels."""
    return make_levels(Path(path).read_bytes())


def purge_if_lost(node: Node, image_id: str) -> None:
    """Looked at after every rename and link: what is deleted or bad here leaves no rendition."""
    found = node.store.find(image_id)
    bad = not isinstance(found, Original) and node.store.bad.mark(image_id) is not None
    if bad or isinstance(found, Tombstone):
        node.cache.purge(image_id)


async def keep(node: Node, image_id: str, name: str, data: bytes, since: int | None = None) -> None:
    """Put it into the cache, where there is room for it, and unless it was deleted meanwhile.

    `since`: the cache's count of purges when a peer was asked for it. A node that owns nothing of
    the picture has no tombstone to look at, and is told of a delete by a purge alone.
    """

    def put() -> None:
        node.cache.put(image_id, name, data)
        if since is not None and since != node.cache.purges(image_id):
            node.cache.purge(image_id)
        purge_if_lost(node, image_id)

    with suppress(DiskFailed):
        await to_thread.run_sync(put)
