"""Who may do what: upload keys, the cluster's secret, signed URLs, the sizes that are allowed.

Keys lie in files, because that is how secrets reach a container, and are read again when a file
changes, so that a key is changed without a restart. A file that can't be read is no news: what was
last read stays valid. Taking a key out of its file revokes it. Everything secret is compared in
constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from apomixis_node.environment import variable
from apomixis_node.errors import ApiError
from apomixis_node.settings import SettingsError
from apomixis_ring.fingerprints import fingerprint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

SIGNATURE_BYTES = 16  # 128 bits
SIGNATURE_LENGTH = 22  # base64url characters, which carry 132: so signatures compare as strings
# A file changed this lately may change again within one tick of its time stamp.
SETTLED_NS = 2_000_000_000

Signature = tuple[tuple[str, int, int, int], ...]


class Keys:
    """The keys in a file (one a line) or a folder (one a file), as the disk has them now."""

    def __init__(self, path: Path, setting: str) -> None:
        """Read `path`; raises SettingsError, naming the variable of `setting`, if that can't be."""
        self._path = path
        self._seen: Signature | None = None
        self._keys: tuple[str, ...] = ()
        try:
            self._read(_signature(path))
        except OSError as wrong:
            raise SettingsError(
                f"{variable(setting)}: {path} can't be read: {wrong.strerror}."
            ) from None

    @property
    def all(self) -> tuple[str, ...]:
        """The valid keys, in order, none of them empty. Costs a `stat` when nothing changed."""
        try:
            signature = _signature(self._path)
            if signature != self._seen:
                self._read(signature)
        except OSError:
            pass
        return self._keys

    def accepts(self, key: str) -> bool:
        """Whether `key` is one of them; each is compared in constant time."""
        given = key.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(given, valid.encode()) for valid in self.all)

    def _read(self, signature: Signature) -> None:
        texts = [file.read_text("utf-8", "replace") for file in _files(self._path)]
        lines = (line.strip() for text in texts for line in text.splitlines())
        self._keys = tuple(dict.fromkeys(line for line in lines if line))
        newest = max((changed for _, changed, _, _ in signature), default=0)
        self._seen = signature if time.time_ns() - newest > SETTLED_NS else None


def _files(path: Path) -> Iterator[Path]:
    """The key files at `path`. A mounted Secret keeps its versions in hidden folders: not keys."""
    if not path.is_dir():
        yield path
        return
    for entry in sorted(path.iterdir()):
        if not entry.name.startswith(".") and entry.is_file():
            yield entry


def _signature(path: Path) -> Signature:
    """What differs when any key file was changed, replaced, added or taken away."""
    stats = ((file, file.stat()) for file in _files(path))
    return tuple((str(f), s.st_mtime_ns, s.st_size, s.st_ino) for f, s in stats)


class Secrets:
    """The cluster's secret: the first line is sent to peers, every line is accepted from them."""

    def __init__(self, path: Path) -> None:
        self._keys = Keys(path, "secret_file")
        self._last = self.current

    @property
    def current(self) -> str:
        """The secret to send. Raises SettingsError at start if there is none."""
        if keys := self._keys.all:
            self._last = keys[0]
        elif not hasattr(self, "_last"):
            raise SettingsError(f"{variable('secret_file')} names a file without a secret in it.")
        return self._last

    def fingerprints(self, cluster: str) -> list[str]:
        """Of all keys, the one that is sent first: what the operator may know of them."""
        return [fingerprint(cluster, key) for key in self._keys.all]

    def accepts(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header carries a valid secret."""
        secret = bearer(authorization)
        return secret is not None and self._keys.accepts(secret)


class UploadKeys:
    """Who may upload: everybody where no keys are configured, else holders of one of the keys."""

    def __init__(self, path: Path | None) -> None:
        self._keys = Keys(path, "upload_keys") if path else None

    @property
    def open(self) -> bool:
        """Whether anybody may upload."""
        return self._keys is None

    def check(self, key: str | None) -> None:
        """ApiError `key_required` (401) without a key, `key_refused` (403) on a wrong one."""
        if self._keys is None:
            return
        if not key:
            raise ApiError(
                "key_required",
                "Uploads need a key here: send it as the field `key` or as "
                "`Authorization: Bearer <key>`.",
            )
        if not self._keys.accepts(key):
            raise ApiError("key_refused", "This upload key is not valid; ask whoever gave it out.")


class Signing:
    """Signed image URLs. Without a key file nothing needs a signature."""

    def __init__(self, path: Path | None) -> None:
        self._keys = Keys(path, "signing_keys") if path else None
        if self._keys is not None and not self._keys.all:
            raise SettingsError(f"{variable('signing_keys')} names a file without a key in it.")

    @property
    def required(self) -> bool:
        """Whether every image URL must be signed."""
        return self._keys is not None

    @property
    def key_set(self) -> str:
        """Names the keys that are valid now, without telling them."""
        keys = self._keys.all if self._keys else ()
        return hashlib.sha256("\n".join(("key set", *keys)).encode()).hexdigest()[:16]

    def sign(self, image_id: str, size: str, extension: str) -> str | None:
        """The signature to put into a URL, by the first key; None where none is needed."""
        keys = self._keys.all if self._keys else ()
        return sign(image_id, size, extension, keys[0]) if keys else None

    def check(self, signature: str | None, image_id: str, size: str, extension: str) -> None:
        """Raises ApiError `bad_signature` (403) unless a valid key made `signature` for these."""
        if self._keys is None:
            return
        given = (signature or "").encode("utf-8", "surrogateescape")
        wanted = [sign(image_id, size, extension, key).encode() for key in self._keys.all]
        if not any(hmac.compare_digest(given, right) for right in wanted):
            raise ApiError(
                "bad_signature",
                "Image URLs are signed here, as `/image/{id}/{size}/{signature}/{name}.{ext}`; "
                "this one's signature is missing or was made for another id, size or extension.",
            )


def sign(image_id: str, size: str, extension: str, key: str) -> str:
    """HMAC-SHA256 of `id/size/ext`, its first 128 bits as 22 characters of base64url."""
    text = f"{image_id}/{size}/{extension}"
    digest = hmac.digest(key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode()[:SIGNATURE_LENGTH]


def check_allowed(size: str, allowed: Collection[str]) -> None:
    """Raises ApiError `size_not_allowed` (403) unless canonical `size` is in `allowed`.

    An empty `allowed` allows every size.
    """
    if allowed and size not in allowed:
        raise ApiError(
            "size_not_allowed",
            f"The size {size} is not served here; take one of {', '.join(sorted(allowed))}.",
            {"sizes": sorted(allowed)},
        )


def bearer(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header, or None."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
