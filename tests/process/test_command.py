"""`apomixis put`, `url` and `status` as people and scripts use them, against three real nodes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest
import typer
from typer.core import TyperGroup, TyperOption
from typer.testing import CliRunner, Result

from apomixis_node.access import sign
from apomixis_node.cli.main import app
from apomixis_ring.reading import from_json
from cluster import APOMIXIS, Cluster
from pictures import animation, corners, encoded, noise, png_bomb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("command")]

ID = "3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb"
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens
COMMANDS = ("up", "put", "url", "status", "node")
OPTIONS = [
    (name, option)
    for group in [typer.main.get_command(app)]
    if isinstance(group, TyperGroup)
    for name in COMMANDS
    for option in group.commands[name].params
    if isinstance(option, TyperOption) and option.name != "help"
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("command") / "images"
    with Cluster(folder, zones=("a", "b", "c"), restart=False) as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two folders of pictures, with what is none and what is hostile in between."""
    folder = tmp_path / "holiday"
    (folder / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "a.jpg").write_bytes(noise(90, 60))
    (folder / "b c.png").write_bytes(encoded(corners(91, 61), "PNG"))
    (folder / "deep" / "d.GIF").write_bytes(animation("GIF"))
    (folder / "deep" / "e.webp").write_bytes(noise(64, 64, "WEBP"))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden" / "f.jpg").write_bytes(noise(30, 30))
    return folder


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("APOMIXIS_")}
    done = subprocess.run(
        [*APOMIXIS, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=env | {"COLUMNS": "200"} | environment,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


def sha1(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


def test_put_takes_files_and_folders_and_prints_each_id(cluster: Cluster, pictures: Path) -> None:
    single = pictures.parent / "single.bin"  # named: taken whatever it is called
    single.write_bytes(encoded(corners(50, 50), "TIFF"))
    done = run("put", str(pictures), str(single), "--data", str(cluster.folder.path))
    assert done.returncode == 0, done.stderr
    taken = [pictures / n for n in ("a.jpg", "b c.png", "deep/d.GIF", "deep/e.webp")] + [single]
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert set(lines) == {sha1(file) for file in taken}
    for file in taken:
        url, name = lines[sha1(file)].split("  ")
        assert name == str(file)
        assert httpx.get(url).content == file.read_bytes()
    assert "/full/b%20c.png" in lines[sha1(pictures / "b c.png")]
    assert "5 stored, 0 already there, 0 failed" in done.stderr
    again = run("put", str(pictures), "--url", cluster.urls[1], "--in-flight", "1")
    assert again.returncode == 0
    assert "0 stored, 4 already there, 0 failed" in again.stderr


def test_put_goes_on_past_what_is_refused_and_says_so_at_the_end(
    cluster: Cluster, pictures: Path
) -> None:
    hostile = {
        "bomb.png": (png_bomb(), "too_many_pixels"),
        "cut.jpg": (noise(120, 90)[:700], "broken_image"),
        "empty.gif": (b"", "broken_image"),
        "page.jpg": (b"<html><script>alert(1)</script>", "unsupported_format"),
    }
    for name, (data, _) in hostile.items():
        (pictures / name).write_bytes(data)
    missing, locked = pictures / "missing.jpg", pictures / "dangling.jpg"
    locked.symlink_to(pictures / "nowhere.jpg")
    files = [str(pictures), str(missing), str(locked)]
    done = run("put", *files, "--json", "--data", str(cluster.folder.path), "--size-hints", "20s")
    assert done.returncode == 1
    told = {entry["file"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    for name, (_, code) in hostile.items():
        entry = told.pop(str(pictures / name))
        assert entry["error"] == code
        assert entry["detail"].endswith(".")
    for path in (missing, locked):
        assert told.pop(str(path))["error"] == "unreadable"
    assert sorted(told) == sorted(
        str(pictures / n) for n in ("a.jpg", "b c.png", "deep/d.GIF", "deep/e.webp")
    )
    for file, entry in told.items():
        assert entry["new"] is True or "d.GIF" in file or "b c.png" in file
        assert httpx.get(entry["full_url"]).status_code == 200
    assert re.search(r"\d stored, \d already there, 6 failed", done.stderr)
    plain = run("put", str(pictures / "cut.jpg"), "--url", cluster.urls[0])
    assert (plain.returncode, plain.stdout) == (1, "")
    assert f"{pictures / 'cut.jpg'}: The picture is broken or truncated" in plain.stderr


def test_put_without_a_node_or_without_pictures_ends(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("put", str(tmp_path / "empty"), "--data", str(cluster.folder.path))
    assert done.returncode == 1
    assert "There are no pictures" in done.stderr
    done = run("put", str(tmp_path), "--data", str(tmp_path / "no-cluster"))
    assert done.returncode == 1
    assert "cluster.json" in done.stderr
    (tmp_path / "x.png").write_bytes(encoded(corners(20, 20), "PNG"))
    done = run("put", str(tmp_path / "x.png"), "--url", "ftp://somewhere")
    assert done.returncode in (1, 2)
    assert "is not an address" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["300w"], "300w/image.auto"),
        (["0300w", "--ext", "JPEG"], "300w/image.jpg"),
        (["200h300w", "--name", "été.png", "--ext=png"], "300w200h/%C3%A9t%C3%A9.png"),
        (["200s33x20", "--ext", "webp"], "200s33x20/image.webp"),
        (["full", "--ext", "gif"], "full/image.gif"),
    ],
)
def test_url_prints_the_canonical_address(arguments: list[str], wanted: str) -> None:
    done = run("url", ID, *arguments, "--url", "https://img.example/")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"https://img.example/image/{ID}/{wanted}\n"


def test_url_of_a_srcset_is_what_a_browser_reads(cluster: Cluster) -> None:
    data = encoded(corners(400, 200), "PNG")
    image_id = httpx.post(
        cluster.urls[0], content=data, headers={"Content-Type": "image/png"}
    ).json()["hash"]
    done = run("url", image_id, "--srcset", "100w, 200w,50s", "--data", str(cluster.folder.path))
    assert done.returncode == 0
    entries = [entry.rsplit(" ", 1) for entry in done.stdout.strip().split(", ")]
    assert [width for _, width in entries] == ["100w", "200w", "50w"]
    assert [httpx.get(url).status_code for url, _ in entries] == [200, 200, 200]


def test_url_is_signed_with_the_sites_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("current\nformer\n")
    wanted = f"/image/{ID}/300w/{sign(ID, '300w', 'auto', 'current')}/image.auto"
    assert run("url", ID, "300w", "--sign-key-file", str(keys)).stdout.strip().endswith(wanted)
    by_environment = run("url", ID, "300w", APOMIXIS_SIGNING_KEYS=str(keys))
    assert by_environment.stdout.strip().endswith(wanted)


def test_status_shows_the_nodes_and_the_ring(cluster: Cluster) -> None:
    for where in (["--data", str(cluster.folder.path)], ["--url", cluster.urls[2]]):
        shown = run("status", *where)
        assert shown.returncode == 0, shown.stderr
        for entry in cluster.nodes:
            assert re.search(rf"{entry.name}.*{entry.zone}.*alive", shown.stdout)
        assert "3 copies of everything, 2 before an upload is 201." in shown.stderr
        scripted = run("status", "--json", *where)
        assert scripted.returncode == 0
        body = json.loads(scripted.stdout)
        assert (body["ring"]["epoch"], body["ring"]["pending"]) == (body["epoch"], None)
        ring = from_json(body["ring"])
        assert ring == cluster.folder.ring()
        assert {len(row) for row in ring.current} == {3}


def test_status_of_a_cluster_with_a_dead_node_is_no_success(cluster: Cluster) -> None:
    """The last test with the cluster: one of its nodes stays down."""
    cluster.kill("node-1")
    shown = run("status", "--data", str(cluster.folder.path))
    assert shown.returncode == 1
    assert re.search(r"node-1.*unreachable", shown.stdout)
    body = json.loads(run("status", "--json", "--url", cluster.urls[0]).stdout)
    assert [node["state"] for node in body["nodes"]] == ["alive", "unreachable", "alive"]
    silent = run("status", "--url", NOWHERE)
    assert (silent.returncode, silent.stdout) == (1, "")
    assert "No node answered" in silent.stderr


def test_the_command_alone_teaches() -> None:
    for help_ in (run("--help"), run()):
        for name in COMMANDS:
            assert re.search(rf"{name} +[A-Z]", help_.stdout + help_.stderr), name
        assert "apomixis up --nodes 3" in help_.stdout + help_.stderr
    wrong = run("url", "3f9", "300w")
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def here(*arguments: str) -> Result:
    """The command in this process: as `run`, without the start of Python."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, prog_name="apomixis")


def words(text: str) -> str:
    """A text without the boxes and line breaks that a terminal puts in."""
    return " ".join(re.sub(r"[│─╭╮╰╯]", " ", text).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option_with_a_sentence(command: str) -> None:
    help_ = here(command, "--help")
    assert help_.exit_code == 0
    shown = words(help_.stdout)
    assert "apomixis " + command in shown or command == "node", "an example"
    options = [option for name, option in OPTIONS if name == command]
    assert options
    for option in options:
        assert option.opts[0] in shown
        assert option.help, option.opts
        sentence = option.help.partition("[default")[0].strip().replace("`", "")
        assert sentence[0].isupper() or sentence.startswith(("jpg", "http")), option.opts
        assert sentence.endswith("."), option.opts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["put"], "Missing argument"),
        (["put", "x.jpg", "--in-flight", "0"], "--in-flight"),
        (["put", "x.jpg", "--wrong"], "--wrong"),
        (["url", "3f9", "300w"], "40 lowercase hex digits"),
        (["url", ID], "Say which size"),
        (["url", ID, "300"], "is no size"),
        (["url", ID, "300w", "--ext", "exe"], "--ext exe is not served"),
        (["url", ID, "--srcset", "300h"], "depends on the picture"),
        (["up"], "--data"),
        (["up", "--data", "d", "--nodes", "0"], "--nodes"),
        (["status", "--nonsense"], "--nonsense"),
        (["node"], "APOMIXIS_NAME must be set"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_use_is_a_sentence_and_status_2(arguments: list[str], said: str) -> None:
    done = here(*arguments)
    assert (done.exit_code, done.stdout) == (2, ""), done.stdout
    assert said in words(done.stderr)
