"""`make bench`: everything in one run, as Markdown on the screen and JSON in a file."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench import imagor, peers, rendering, repairing, ring, serving
from bench.contenders import Programs, ours, renderers
from bench.photographs import Photograph, photographs
from bench.table import Row, machine, markdown

CACHE = Path.home() / ".cache/apomixis/bench"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", type=Path, help="write it all there too")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where peers are kept")
    parser.add_argument("--against", type=Path, help="another checkout, to compare this one with")
    parser.add_argument(
        "--only", choices=("hot", "cold", "ring", "repair"), help="measure only that"
    )
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
        f"Measured {facts}.",
        f"Next to {', '.join(f'{name} {v}' for name, v in versions.items() if v)}.",
        *(f"MISSING, and not compared with: {name}." for name in missing),
        *(f"{photo.what}: {photo.origin}." for photo in photos),
        "Medians of interleaved rounds; JPEG quality 82; servers on one core, the load on another.",
        "No server writes a log line for each request, unless it says so.",
        "On a machine that is busy with other things, CPU time tells more than rates do.",
    ]
    sys.stdout.write("\n".join(lines) + f"\n\n{markdown(found)}\n")
    if chosen.json:
        told = {"machine": facts, "versions": versions, "rows": [row.to_json() for row in found]}
        told["photographs"] = {photo.what: photo.origin for photo in photos}
        chosen.json.write_text(json.dumps(told, indent=2) + "\n")


def _measure(
    chosen: argparse.Namespace, photos: tuple[Photograph, ...], programs: Programs
) -> list[Row]:
    quick, only = chosen.quick, chosen.only
    found = ring.rows(quick=quick) if only in (None, "ring") else []
    found += repairing.rows(quick=quick) if only in (None, "repair") else []
    if only in ("ring", "repair"):
        return found
    against = chosen.against.resolve() if chosen.against else None
    with tempfile.TemporaryDirectory() as name, peers.on_core(peers.LOAD):
        folder = Path(name)
        with renderers(photos, folder, programs, against) as contenders:
            if only != "cold" and shutil.which("wrk"):
                with ours(photos, folder / "logging", log_level="info") as logging:
                    found += serving.rows([*contenders, logging], photos[0], folder, quick=quick)
                if peers.nginx_program():
                    fronted = folder / "fronted"
                    with ours(photos, fronted / "images", nginx=True) as front:
                        found += serving.rows([front], photos[0], fronted, quick=quick)
            if only != "hot":
                found += rendering.rows(contenders, photos, quick=quick)
    return found


if __name__ == "__main__":
    main()
