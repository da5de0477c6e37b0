"""`apomixis up --sample`: a drawn picture is uploaded, and where to see it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from apomixis_node.access import Keys
from apomixis_node.cli.sample import sample
from apomixis_node.cli.sending import Refused, Sender
from apomixis_node.cli.terminal import out, say
from apomixis_node.cli.url import image_url
from apomixis_node.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from apomixis_node.cli.folder import Entry

SHOWN = ("200s", "800w", "full")


async def show_sample(entries: tuple[Entry, ...], secret_file: Path) -> None:
    """Upload the picture to the first node; print a URL of each size, each from another node."""
    settings = Settings(name="sample", secret_file=secret_file)
    keys = Keys(settings.upload_keys, "upload_keys").all if settings.upload_keys else ()
    urls = tuple(entry.public_url for entry in entries)
    async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
        sender = Sender(client, urls[:1], key=keys[0] if keys else None)
        try:
            stored = await sender.send_bytes(sample(), "image/jpeg")
        except Refused as refused:
            say(f"The sample picture was not stored: {refused}", "yellow")
            return
    out.print("A sample picture is stored. See it at different sizes, from different nodes:")
    for i, size in enumerate(settings.sizes[:3] or SHOWN):
        url = image_url(
            urls[i % len(urls)],
            str(stored.answer["hash"]),
            size,
            name="sample",
            key_file=settings.signing_keys,
        )
        out.print(f"  {url}", soft_wrap=True, markup=False)
