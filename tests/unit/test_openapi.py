"""The description for machines says what the routes are, and every error there is."""

from __future__ import annotations

import re

from starlette.routing import Route

from apomixis_node.app import PUBLIC
from apomixis_node.errors import STATUS_OF
from apomixis_node.openapi import description

PAGES = {"/static/{path:path}"}  # the pages' own files


def described() -> set[tuple[str, str]]:
    return {
        (method.upper(), re.sub(r"/image/.*/.*", "/image/…", path))
        for path, methods in description()["paths"].items()
        for method in methods
    }


def routed() -> set[tuple[str, str]]:
    found = set()
    for route in PUBLIC:
        assert isinstance(route, Route)
        if route.path.startswith("/static"):
            continue
        for method in (route.methods or set()) - {"HEAD"}:
            path = "/image/…" if route.path.startswith("/image/{rest") else route.path
            found.add((method, path))
    return found


def test_the_description_has_the_routes_and_no_others() -> None:
    assert described() == routed()


def test_every_error_is_described_somewhere() -> None:
    text = str(description())
    between_nodes = {
        "stale_epoch",
        "newer_stamp",
        "wrong_member",
        "hash_mismatch",
        "length_required",
    }
    missing = [code for code in STATUS_OF if f"`{code}`" not in text]
    assert set(missing) <= between_nodes
