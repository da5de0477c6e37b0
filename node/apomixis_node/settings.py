"""Every setting of a node, from environment variables that begin with APOMIXIS_, typed and checked.

`docs/configuration.md` is generated from this table. A wrong value, or a variable that is nearly a
setting's name, stops the start with one sentence for each.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ByteSize, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from apomixis_node.formats import BY_EXTENSION
from apomixis_node.sizes import BadSize, parse
from apomixis_ring.model import is_image_id

MIB = 1024 * 1024
LONGEST_SOCKET = 107
PREFIX = "APOMIXIS_"
Words = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Numbers = Annotated[tuple[int, ...], NoDecode]


class SettingsError(ValueError):
    """The environment holds a setting that can't be; one sentence a line."""


class Settings(BaseSettings):
    """What one node is told. Byte sizes take units (`50MiB`); lists are separated by commas."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    # Who and where
    name: str = Field(
        description="This member's name, unique in the cluster; in Kubernetes the pod's name."
    )
    cluster: str = Field(
        "apomixis", description="The cluster's id. A volume of another cluster is refused."
    )
    zone: str = Field(
        "",
        description="Failure domain (rack, availability zone). Copies are spread over zones.",
    )
    weight: float = Field(
        1.0,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="This member's share of the images, relative to the others'.",
    )
    data: Path = Field(
        Path("/data"), description="Folder of the volume: originals, renditions, identity, ring."
    )
    host: str = Field("0.0.0.0", description="Address the public listener binds.")  # noqa: S104
    port: int = Field(
        8080, ge=1, le=65535, description="Port of the public listener: users, through the Ingress."
    )
    socket: Path | None = Field(
        None,
        description="Unix socket that the public listener binds in place of its address, which "
        "then is nginx's: `apomixis nginx` runs it.",
    )
    internal_host: str = Field(
        "0.0.0.0",  # noqa: S104
        description="Address the internal listener binds, and calls leave from.",
    )
    internal_port: int = Field(
        8081,
        ge=1,
        le=65535,
        description="Port of the internal listener: peers, operator, Prometheus.",
    )
    internal_url: str = Field(
        "",
        description="How peers reach the internal listener; default "
        "`http://<name>:<internal port>`.",
    )
    secret_file: Path = Field(
        description="File with the cluster's secret, one a line: the first is sent to peers, "
        "all are accepted (so that a secret can be changed). Read again when it changes."
    )

    # Uploads
    upload_keys: Path | None = Field(
        None,
        description="File (one key a line) or folder (one key a file) of upload keys, read again "
        "when it changes. Unset: anybody may upload.",
    )
    max_bytes: ByteSize = Field(ByteSize(50 * MIB), gt=0, description="Largest upload, in bytes.")
    max_pixels: int = Field(
        100_000_000, gt=0, description="Most pixels (width x height x frames) of an upload."
    )
    formats: Words = Field(tuple(BY_EXTENSION), description="Formats taken, by extension.")
    upload_min_rate: ByteSize = Field(
        ByteSize(4096),
        ge=0,
        description="Least average bytes per second of an upload after its first 10 s; "
        "slower ones get 408.",
    )
    max_uploads: int = Field(64, gt=0, description="Uploads received at once; more get 429.")
    reserve: ByteSize | None = Field(
        None,
        ge=0,
        description="Free space below which originals are refused (507); default 5 % of the "
        "volume or 1 GiB, whichever is less.",
    )

    # Renditions
    sizes: Words = Field(
        (),
        description="The sizes that may be asked for, in canonical form (`200s,800w,full`); "
        "unset: any.",
    )
    signing_keys: Path | None = Field(
        None,
        description="File with keys for signed URLs, one a line: the first signs, all are "
        "accepted. Read again when it changes. Set: every image URL must be signed.",
    )
    max_side: int = Field(4096, ge=1, le=9999, description="Largest number in a size, in pixels.")
    qualities: Numbers = Field(
        (), description="Qualities that a size may end in (`300wq60`); unset: none."
    )
    jpeg_quality: int = Field(82, ge=1, le=100, description="Quality of JPEG renditions.")
    webp_quality: int = Field(80, ge=1, le=100, description="Quality of WebP renditions.")
    webp_method: int = Field(2, ge=0, le=6, description="Effort of the WebP encoder.")
    avif_quality: int = Field(65, ge=1, le=100, description="Quality of AVIF renditions.")
    avif_speed: int = Field(9, ge=0, le=10, description="Speed of the AVIF encoder.")
    cache_size: ByteSize | None = Field(
        None, ge=0, description="Byte budget of the renditions kept; default 10 % of the volume."
    )
    fallback_image: str = Field(
        "",
        description="Id of a picture shown as the body of a 404 or 410 to clients that want "
        "an image.",
    )

    # Render workers
    workers: int = Field(
        0, ge=0, le=256, description="Worker processes that decode and encode; 0: one per CPU."
    )
    render_queue: int = Field(
        256, gt=0, description="Renders that may wait for a worker; more get 429."
    )
    render_deadline: Seconds = Field(
        30.0, description="Seconds that one render may take before its worker is killed."
    )
    render_memory: ByteSize = Field(
        ByteSize(1024 * MIB), gt=0, description="Address space of one worker, in bytes."
    )
    render_pixels: int = Field(
        200_000_000, gt=0, description="Decoded pixels in work at once, over all workers."
    )

    # Peers
    connect_timeout: Seconds = Field(
        1.0, description="Seconds to connect to a peer; silence is `unknown`."
    )
    peer_timeout: Seconds = Field(
        10.0, description="Seconds between two signs of life of a peer in a call."
    )
    write_timeout: Seconds = Field(
        30.0, description="Seconds that an upload waits for its quorum before it is a 503."
    )
    suspect_for: Seconds = Field(
        5.0, description="Seconds that a member which did not answer is asked last."
    )

    # The life of a cluster
    tombstone_days: float = Field(
        10.0,
        gt=0,
        le=3650,
        allow_inf_nan=False,
        description="Days that a delete is remembered, and as long as a member has not confirmed "
        "it. Clocks may differ by a fraction of it.",
    )
    gossip_interval: Seconds = Field(
        1.0, description="Seconds between two rounds of gossip with a random member."
    )
    dead_after: Seconds = Field(
        15.0, description="Seconds without news of a member until it is called dead."
    )
    sync_rate: ByteSize = Field(
        ByteSize(100 * MIB),
        ge=0,
        description="Bytes per second that a sync takes from one source; 0: no limit.",
    )
    sync_concurrency: int = Field(
        4, ge=1, le=64, description="Sources that a sync takes from at once."
    )
    verify_rate: ByteSize = Field(
        ByteSize(20 * MIB),
        ge=0,
        description="Bytes per second that verify reads from the disk; 0: no limit.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level logged, as JSON lines on stderr."
    )

    @field_validator("sizes", "formats", "qualities", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [word for word in value if word not in BY_EXTENSION]:
            raise ValueError(
                f"unknown format {', '.join(unknown)}; take from {', '.join(BY_EXTENSION)}"
            )
        return value

    @field_validator("qualities")
    @classmethod
    def _possible_qualities(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [q for q in value if not 1 <= q <= 100]:
            raise ValueError(f"a quality is 1 to 100, not {wrong[0]}")
        return value

    @field_validator("name", "cluster")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value):
            raise ValueError("use up to 63 letters, digits, `.`, `-` and `_`, as in `photos-0`")
        return value

    @field_validator("socket")
    @classmethod
    def _short_socket(cls, value: Path | None) -> Path | None:
        if value is not None and len(os.fsencode(value)) > LONGEST_SOCKET:
            raise ValueError(f"a socket's path has at most {LONGEST_SOCKET} bytes")
        return value

    @field_validator("zone")
    @classmethod
    def _plain_zone(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._/-]{0,63}", value):
            raise ValueError("use up to 63 letters, digits, `.`, `-`, `_` and `/`, as in `rack-7`")
        return value

    @field_validator("internal_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#\s]+/?", value):
            raise ValueError("give scheme, host and port only, as in `http://photos-0.photos:8081`")
        return value.rstrip("/")

    @field_validator("fallback_image")
    @classmethod
    def _an_id(cls, value: str) -> str:
        if value and not is_image_id(value):
            raise ValueError("an id is 40 lowercase hex digits; or leave it unset")
        return value

    @model_validator(mode="after")
    def _canonical_sizes(self) -> Self:
        for text in self.sizes:
            try:
                right = str(parse(text, max_side=self.max_side, qualities=self.qualities))
            except BadSize as wrong:
                raise ValueError(f"{PREFIX}SIZES: {str(wrong).splitlines()[0]}") from None
            if text != right:
                raise ValueError(f"{PREFIX}SIZES: write {right}, the canonical form, for {text}")
        return self

    @model_validator(mode="after")
    def _two_listeners(self) -> Self:
        if self.port == self.internal_port:
            raise ValueError(
                f"{PREFIX}PORT and {PREFIX}INTERNAL_PORT are both {self.port}; give the public "
                "and the internal listener two different ports"
            )
        return self

    @property
    def advertised_url(self) -> str:
        """Base URL at which peers reach this node's internal listener."""
        return self.internal_url or f"http://{self.name}:{self.internal_port}"

    @property
    def tombstone_ms(self) -> int:
        """How long a delete is remembered, in milliseconds."""
        return int(self.tombstone_days * 86_400_000)

    @property
    def worker_count(self) -> int:
        """Worker processes to run: `workers`, or one per CPU this process may use."""
        return self.workers or len(os.sched_getaffinity(0))
