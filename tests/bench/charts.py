"""Pictures of the table, as SVG: bars of what matters, ours next to each peer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from bench.table import Row

COLOURS = {"Apomixis": "#3b6ea5", "nginx": "#7a9e4f", "thumbor": "#c08a3e", "imagor": "#a0567a"}
OTHER = "#8a8a8a"
CHARTS: dict[
    str, tuple[str, str, str | tuple[str, ...]]
] = {  # file: title, unit, what a row begins with
    "hot": ("Renditions on disk: requests a second", "requests/s", "hot"),
    "cold": ("New sizes: CPU ms for each, less is better", "CPU ms/image", "cold,"),
    "straight": ("No base level: CPU ms for each, less is better", "CPU ms/image", "straight"),
    "upload": ("Uploads, three copies: bytes a second", "bytes/s", "upload"),
    "repair": ("Sync and verify: bytes a second", "bytes/s", ("sync", "verify")),
    "memory": ("Memory, MB, less is better", "MB", "memory"),
}


def draw(rows: Sequence[Row], facts: str, folder: Path) -> None:
    """A file of each chart that there are rows for."""
    plt.rcParams["svg.hashsalt"] = "apomixis"  # the same rows, the same file
    for name, (title, unit, begins) in CHARTS.items():
        shown = [row for row in rows if row.unit == unit and row.what.startswith(begins)]
        if shown:
            _bars(shown, title, facts, folder / f"{name}.svg")


def _bars(rows: Sequence[Row], title: str, facts: str, path: Path) -> None:
    """From the top, one group of bars for each thing measured."""
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.28 * len(rows)), layout="constrained")
    place, places, last = 0.0, [], rows[0].what
    for row in rows:
        place += 1.0 if row.what == last else 1.7
        places.append(place)
        last = row.what
    bars = axes.barh(
        places,
        [row.median for row in rows],
        xerr=[[r.median - r.low for r in rows], [r.high - r.median for r in rows]],
        color=[_colour(row.contender) for row in rows],
        error_kw={"elinewidth": 0.8, "ecolor": "#444444"},
    )
    axes.bar_label(bars, [f" {row.median:,.3g}" for row in rows], fontsize=7)
    axes.set_yticks(places, [f"{row.what}  ·  {row.contender}" for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left")
    figure.supxlabel(facts, fontsize=6, color="#666666")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _colour(contender: str) -> str:
    if "nginx, static" in contender:
        return COLOURS["nginx"]
    return next((c for name, c in COLOURS.items() if contender.startswith(name)), OTHER)
