"""The pages as responses: upload, image, error, cluster status.

Every page works without JavaScript and carries a policy under which nothing inline runs and nothing
is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from apomixis_node.errors import ApiError
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.web import assets
from apomixis_node.web.overview import Overview
from apomixis_node.web.site import SHOWN, Site, links

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def byte_words(count: float) -> str:
    """A number of bytes for people: `812 bytes`, `3.4 MiB`, `120 GiB`."""
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {UNITS[unit]}" if unit and count < 10 else f"{count:.0f} {UNITS[unit]}"


def _environment() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["asset"] = assets.url
    templates.filters["byte_words"] = byte_words
    return templates


_templates = _environment()


def _page(
    template: str,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    html = _templates.get_template(template).render(values)
    return HTMLResponse(html, status, {**HEADERS, "Vary": "Accept", **(headers or {})})


def upload_page(site: Site) -> HTMLResponse:
    """`GET /`: the form, which JavaScript turns into drag and drop, progress and a gallery."""
    names = [BY_EXTENSION[extension].extension.upper() for extension in site.formats]
    return _page("upload.html", site=site, config=site.to_json(), formats=names)


def image_page(
    answer: Mapping[str, Any], base: str, site: Site, status: int = HTTPStatus.CREATED
) -> HTMLResponse:
    """What a browser without JavaScript gets for the form it posted.

    `answer` is the upload answer, `base` the public address, `status` 201 or 200 as in JSON.
    """
    found = links(answer, base, site)
    shown = next((link for link in found if link.size == site.nearest(SHOWN)), found[0])
    return _page("image.html", status, answer=answer, links=found, shown=shown, site=site)


def error_page(error: ApiError) -> HTMLResponse:
    """An error for a browser: the status, the code, the sentence, and the way back."""
    phrase = HTTPStatus(error.status).phrase
    return _page("error.html", error.status, error.headers(), error=error, phrase=phrase)


def status_page(status: Mapping[str, Any]) -> HTMLResponse:
    """The cluster as one node sees it; `status` is the JSON of `/api/status`."""
    return _page("status.html", view=Overview.of(status))
