"""`/openapi.json`: the public listener described for machines, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from apomixis_node.errors import STATUS_OF
from apomixis_node.formats import BY_EXTENSION
from apomixis_node.sizes import SIZE_GRAMMAR

ID = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
COUNT = {"type": "integer", "minimum": 0}
NAMES = {"type": "array", "items": {"type": "string"}}
IMAGES = {f.mime: {"schema": {"type": "string", "format": "binary"}} for f in BY_EXTENSION.values()}
PICTURE = {
    "hash": ID,
    "extension": {"type": "string", "enum": list(BY_EXTENSION)},
    "format": {"type": "string"},
    "width": COUNT,
    "height": COUNT,
    "length": COUNT,
    "color": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
    "placeholder": {"type": "string"},
}
# What may go wrong with any request, whatever it asks for.
ALWAYS = (400, 405, 408, 431, 500, 503)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": sorted(properties), "properties": properties}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


def _errors(*statuses: int) -> dict[str, Any]:
    answers = {}
    for status in sorted({*statuses, *ALWAYS}):
        codes = ", ".join(f"`{code}`" for code, number in STATUS_OF.items() if number == status)
        answers[str(status)] = {
            "description": codes,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Error"}},
                "text/html": {"schema": {"type": "string"}},
            },
        }
    return answers


def _in_path(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


UPLOADED = _object(
    full_url={"type": "string"}, satisfied={"type": "boolean"}, nodes=NAMES, **PICTURE
)
FORM = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "key": {"type": "string"},
        "upload_key": {"type": "string"},
        "size_hints": {"type": "string", "description": "Sizes to render ahead: `100s,300w`."},
    },
}
UPLOAD = {
    "summary": "Upload a picture",
    "operationId": "upload",
    "security": [{}, {"uploadKey": []}],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": FORM},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "responses": {
        "200": _json("It was there already.", UPLOADED),
        "201": _json("It is new, and on the disks of a quorum of its owners.", UPLOADED),
        **_errors(401, 403, 409, 413, 415, 422, 429, 507),
    },
}
IMAGE_PATH = [
    _in_path("id", "The SHA-1 of the original.", ID),
    _in_path("size", SIZE_GRAMMAR, {"type": "string"}),
    _in_path(
        "file",
        "Any name, then `.jpg`, `.png`, `.webp`, `.avif`, `.gif` or `.auto`.",
        {"type": "string"},
    ),
]
IMAGE = {
    "summary": "A picture at a size",
    "operationId": "image",
    "parameters": IMAGE_PATH,
    "responses": {
        "200": {"description": "The picture.", "content": IMAGES},
        "206": {"description": "A range of an original.", "content": IMAGES},
        "301": {"description": "The canonical spelling of this URL."},
        "304": {"description": "Not modified."},
        **_errors(403, 404, 410, 412, 415, 416, 422, 429),
    },
}
DELETE = {
    "summary": "Delete a picture everywhere",
    "operationId": "delete",
    "security": [{}, {"uploadKey": []}],
    "parameters": [_in_path("id", "The SHA-1 of the original.", ID)],
    "responses": {
        "200": _json(
            "It is deleted.",
            _object(
                hash=ID, deleted={"type": "boolean"}, nodes=NAMES, satisfied={"type": "boolean"}
            ),
        ),
        **_errors(401, 403, 404, 507),
    },
}
INFO = {
    "summary": "What is known of a picture",
    "operationId": "info",
    "parameters": [_in_path("id", "The SHA-1 of the original.", ID)],
    "responses": {
        "200": _json(
            "Owners hold it, `holders` right now.",
            _object(
                uploaded={"type": "string", "format": "date-time"},
                owners=NAMES,
                holders=NAMES,
                unknown=NAMES,
                animated={"type": "boolean"},
                alpha={"type": "boolean"},
                **PICTURE,
            ),
        ),
        **_errors(404, 410, 422, 429),
    },
}
STATUS = _object(
    cluster={"type": "string"},
    epoch=COUNT,
    self={"type": "string"},
    ready={"type": "boolean"},
    ring={"type": ["object", "null"]},
    nodes={"type": "array", "items": {"type": "object"}},
    transition={"type": ["object", "null"]},
)
OK = {"description": "ok", "content": {"text/plain": {"schema": {"type": "string"}}}}


def _get(summary: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": answer, **_errors(429)}}}


def description() -> dict[str, Any]:
    """The whole document, as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Apomixis",
            "version": "1",
            "description": "POST a picture, show it at any size. Any node answers.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/": {"post": UPLOAD, **_get("The upload page", _page("A page to upload on."))},
            "/image/{id}/{size}/{file}": {"get": IMAGE},
            "/image/{id}": {"delete": DELETE},
            "/info/{id}": {"get": INFO},
            "/api/status": _get("The cluster as JSON", _json("Ring and nodes.", STATUS)),
            "/status": _get("The cluster as a page", _page("For people on call.")),
            "/status/events": _get(
                "An event whenever the status changes",
                {
                    "description": "Server-sent events.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
            ),
            "/healthz": _get("Alive", OK),
            "/readyz": _get("Has a ring and can serve", OK),
            "/openapi.json": _get("This document", _json("OpenAPI 3.1.", {"type": "object"})),
        },
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "detail"],
                    "properties": {
                        "error": {"type": "string", "enum": sorted(STATUS_OF)},
                        "detail": {"type": "string"},
                    },
                }
            },
            "securitySchemes": {"uploadKey": {"type": "http", "scheme": "bearer"}},
        },
    }


async def openapi(request: Request) -> Response:
    """The public route."""
    del request
    return JSONResponse(description())
