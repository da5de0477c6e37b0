"""The configuration of the nginx in front of a node, made from the node's own settings. Pure.

nginx answers what is on the disk, as the node would have answered it; everything else, and
whatever is in the slightest unusual, is the node's. `front.py` says what it finds on the disk.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from apomixis_node import accept, canonical, front
from apomixis_node.cache import SIGNED
from apomixis_node.errors import RETRY_AFTER_S, STATUS_OF, ApiError
from apomixis_node.form import OVERHEAD, too_large
from apomixis_node.formats import FORMATS
from apomixis_node.images import CHANGED, ORIGINALS
from apomixis_node.protocol import TOO_LARGE, TOO_SLOW
from apomixis_node.respond import IMMUTABLE

if TYPE_CHECKING:
    from pathlib import Path

    from apomixis_node.settings import Settings

FOLDER = "nginx"
SPARE_S = 30  # beyond what the node itself waits for
CANT_READ = ApiError("bad_request", "This request can't be read. Speak HTTP/1.1 here.")
NO_NODE = ApiError("not_ready", "The node behind this address does not answer; try another.")


def folder(settings: Settings) -> Path:
    """Where its configuration, its pid and its temporary files are: on the node's volume."""
    return settings.data.absolute() / FOLDER


def configuration(settings: Settings) -> str:
    """The text of nginx.conf. Raises ValueError where the settings name no socket."""
    if settings.socket is None:
        raise ValueError("APOMIXIS_SOCKET must name the Unix socket between nginx and the node.")
    patience = max(settings.render_deadline + settings.peer_timeout, settings.write_timeout)
    original = canonical.original(settings)
    return _template().render(
        settings=settings,
        folder=folder(settings),
        renditions=front.root(settings, SIGNED if settings.signing_keys else front.RENDITIONS),
        originals=front.root(settings, front.ORIGINALS),
        socket=settings.socket.absolute(),
        listen=_address(settings),
        types=[(form.mime, form.extension) for form in FORMATS],
        accepted=accept.PATTERNS,
        candidates=accept.CANDIDATES,
        most=max(len(found) for found in accept.CANDIDATES.values()),
        rendition=_request(canonical.rendition(settings)),
        automatic=_request(canonical.automatic(settings)),
        original=_request(original) if original else None,
        signature=".$signature" if settings.signing_keys else "",
        max_bytes=int(settings.max_bytes) + OVERHEAD,
        patience=int(patience) + SPARE_S,
        grace=int(settings.render_deadline) + 5,
        errors=_errors(settings),
        immutable=IMMUTABLE,
        originals_header=ORIGINALS,
    )


def _request(path: str) -> str:
    """Of `$request_method` and `$request_uri`, nothing of what only the node decides between."""
    return f"^(?:GET|HEAD) {path}(?:\\?.*)?$"


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _errors(settings: Settings) -> list[dict[str, object]]:
    """What nginx must refuse by itself: its own status codes, the answer, when to try again."""
    refusals = (
        ("400 494 495 496 497 505", CANT_READ),
        ("408", TOO_SLOW),
        ("412", CHANGED),
        ("413", too_large(settings)),
        ("414", TOO_LARGE),
        ("502 504", NO_NODE),
    )
    return [
        {
            "codes": codes,
            "status": STATUS_OF[error.code],
            "body": json.dumps(error.body(), separators=(",", ":")).replace("'", "\\'"),
            "retry": RETRY_AFTER_S.get(error.status),
        }
        for codes, error in refusals
    ]


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("apomixis_node"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  this is no HTML
    )
    return environment.get_template("nginx.conf.j2")
