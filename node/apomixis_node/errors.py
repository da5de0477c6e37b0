"""Every error a client can see, in one table: its code, its status, and whether to try again."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

STATUS_OF = MappingProxyType(
    {
        "bad_size": 400,
        "bad_id": 400,
        "bad_path": 400,
        "bad_request": 400,
        "bad_form": 400,
        "key_required": 401,
        "key_refused": 403,
        "size_not_allowed": 403,
        "bad_signature": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "too_slow": 408,
        "collision": 409,
        "stale_epoch": 409,
        "newer_stamp": 409,
        "deleted": 410,
        "length_required": 411,
        "precondition_failed": 412,
        "too_large": 413,
        "unsupported_format": 415,
        "range_not_satisfiable": 416,
        "wrong_member": 421,
        "broken_image": 422,
        "too_many_pixels": 422,
        "hash_mismatch": 422,
        "busy": 429,
        "head_too_large": 431,
        "internal_error": 500,
        "not_ready": 503,
        "quorum_not_met": 503,
        "owners_unreachable": 503,
        "render_failed": 503,
        "disk_full": 507,
    }
)
RETRY_AFTER_S = MappingProxyType({429: 1, 503: 2})


@dataclass
class ApiError(Exception):
    """An answer that is an error. `detail` says what to do; `extra` joins the JSON."""

    code: str
    detail: str
    extra: dict[str, object] | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @property
    def status(self) -> int:
        """The HTTP status of this code; KeyError for a code that is not in the table."""
        return STATUS_OF[self.code]

    def body(self) -> dict[str, object]:
        """The JSON body: `{"error": code, "detail": sentence, …}`."""
        return {"error": self.code, "detail": self.detail, **(self.extra or {})}

    def headers(self) -> dict[str, str]:
        """`Retry-After` where trying again helps, and nothing of an error is ever cached."""
        retry = RETRY_AFTER_S.get(self.status)
        return {"Cache-Control": "no-store"} | ({"Retry-After": str(retry)} if retry else {})
