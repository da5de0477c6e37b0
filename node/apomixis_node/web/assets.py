"""The pages' style sheet, scripts and icon, kept in memory and cached for ever by their content.

    /static/{tag}/app.js      tag = hash over all the files, so relative imports keep it

While nodes of two versions answer behind one address, a page of one asks the other for its files:
then the file of that name is served, but not to be kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from starlette.responses import Response

from apomixis_node.errors import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request

STATIC = Path(__file__).parent / "static"
ROUTE = "/static/{tag}/{name}"
FOR_EVER = "public, max-age=31536000, immutable"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that pages need."""

    body: bytes
    media_type: str


def _read() -> dict[str, Asset]:
    return {
        path.name: Asset(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(STATIC.iterdir())
        if path.suffix in TYPES
    }


def _tag(assets: dict[str, Asset]) -> str:
    digest = hashlib.sha256()
    for name, asset in assets.items():
        digest.update(f"{name}\0{len(asset.body)}\0".encode() + asset.body)
    return digest.hexdigest()[:16]


_assets = _read()
ASSETS = MappingProxyType(_assets)
TAG = _tag(_assets)


def url(name: str) -> str:
    """The path of an asset, as templates write it; KeyError if there is none of that name."""
    ASSETS[name]
    return f"/static/{TAG}/{name}"


async def serve(request: Request) -> Response:
    """Answer `GET` and `HEAD` of ROUTE. Raises ApiError not_found."""
    asset = ASSETS.get(request.path_params["name"])
    if asset is None:
        raise ApiError("not_found", "There is no such file; the upload page is at /.")
    kept = request.path_params["tag"] == TAG
    return Response(
        asset.body,
        media_type=asset.media_type,
        headers={
            "Cache-Control": FOR_EVER if kept else "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
