"""`make bench`: everything in one run; a table and pictures of it go to `docs/bench`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import (
    hostile,
    imagor,
    memory,
    peers,
    promises,
    rendering,
    repairing,
    report,
    ring,
    serving,
    uploading,
)
from bench.contenders import PEERS, Programs, ours, renderers
from bench.photographs import Photograph, in_other_formats, photographs
from bench.table import Row, machine

PARTS = ("ring", "repair", "upload", "memory", "hostile", "promises", "hot", "cold", "straight")
SERVED = {"hot", "cold", "straight"}
"""They share their servers."""

CACHE = Path.home() / ".cache/apomixis/bench"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--out", type=Path, help="where the table and its pictures are written")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where peers are kept")
    parser.add_argument("--against", type=Path, help="another checkout, to compare this one with")
    parser.add_argument("--only", choices=PARTS, help="measure only that")
    chosen = parser.parse_args()
    facts = machine()
    cache = chosen.cache.resolve()
    programs = Programs(peers.thumbor_program(cache), imagor.program(cache))
    versions = peers.versions(programs.thumbor)
    versions |= {"imagor": imagor.version(programs.imagor), "imgproxy": None}  # in no package
    photos = photographs()
    found = _measure(chosen, photos, programs)
    missing = [name for name, version in versions.items() if version is None]
    lines = [
        f"Next to {', '.join(f'{name} {v}' for name, v in versions.items() if v)}.",
        *(f"MISSING, and not compared with: {name}." for name in missing),
        *(f"{photo.what}: {photo.origin}." for photo in photos),
        "Medians of interleaved rounds; JPEG quality 82; servers on one core, the load on another.",
        "No server writes a log line for each request, unless it says so.",
        "On a machine that is busy with other things, CPU time tells more than rates do.",
    ]
    sys.stdout.write(report.written(found, [f"Measured {facts}.", *lines]))
    if chosen.out:
        origins = {photo.what: photo.origin for photo in photos}
        about = {"versions": versions, "photographs": origins}
        report.keep(chosen.out, found, facts, lines, about, part=chosen.only is not None)


def _measure(
    chosen: argparse.Namespace, photos: tuple[Photograph, ...], programs: Programs
) -> list[Row]:
    quick = chosen.quick
    wanted = PARTS if chosen.only is None else (chosen.only,)
    parts: dict[str, Callable[[], list[Row]]] = {
        "ring": partial(ring.rows, quick=quick),
        "repair": partial(repairing.rows, quick=quick),
        "upload": partial(uploading.rows, photos, quick=quick),
        "memory": partial(memory.rows, photos, programs, quick=quick),
        "hostile": partial(hostile.rows, quick=quick),
        "promises": partial(promises.rows, photos, quick=quick),
    }
    found: list[Row] = []
    for name, measure in parts.items():
        if name in wanted:
            sys.stderr.write(f"==> {name}\n")
            found += measure()
    if not SERVED & set(wanted):
        return found
    sys.stderr.write(f"==> {', '.join(name for name in PARTS if name in SERVED)}\n")
    against = chosen.against.resolve() if chosen.against else None
    with tempfile.TemporaryDirectory() as name, peers.on_core(peers.LOAD):
        folder = Path(name)
        others = in_other_formats()
        with renderers((*photos, *others), folder, programs, against) as contenders:
            if "hot" in wanted and shutil.which("wrk"):
                with ours(photos, folder / "logging", log_level="info") as logging:
                    asked = [*contenders, logging]
                    found += serving.rows("hot", asked, photos[0], folder, quick=quick)
                if peers.nginx_program():
                    fronted = folder / "fronted"
                    with ours(photos, fronted / "images", nginx=True) as front:
                        asked = [front, *(c for c in contenders if c.name in PEERS)]
                        what = "hot through nginx"
                        found += serving.rows(what, asked, photos[0], fronted, quick=quick)
            some = photos[:1] if quick else photos
            if "cold" in wanted:
                found += rendering.rows(contenders, some, quick=quick)
                found += rendering.quality(contenders, some)
            if "straight" in wanted:
                found += rendering.straight(contenders, (*some, *others), quick=quick)
    return found


if __name__ == "__main__":
    main()
