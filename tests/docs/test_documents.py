"""The documents are true: their commands run, their links lead somewhere, their tables are those
of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apomixis_node.access import sign
from apomixis_node.errors import STATUS_OF
from apomixis_node.settings import Settings
from apomixis_node.sizes import parse
from cluster import Cluster
from pictures import noise

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md"))]
BIN = Path(sys.executable).parent


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "photo.jpg").write_bytes(noise(640, 480))
    with Cluster(folder / "images") as running:
        yield running


def here(text: str, cluster: Cluster) -> str:
    """The one rule: port 8080 and 8081 of the documents are those of this test's first nodes."""
    text = text.replace("http://127.0.0.1:8080", cluster.urls[0])
    return text.replace("http://127.0.0.1:8081", cluster.urls[1])


def sh(command: str, cluster: Cluster) -> str:
    done = subprocess.run(
        ["/bin/sh", "-ec", here(command, cluster)],
        cwd=cluster.folder.path.parent,
        env={"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def uploaded(cluster: Cluster) -> str:
    answer = httpx.post(
        cluster.urls[0], content=noise(320, 240), headers={"Content-Type": "image/jpeg"}
    )
    return str(answer.json()["hash"])


def test_curl_of_the_readme(cluster: Cluster) -> None:
    assert shutil.which("curl"), "curl is in every Debian image that has git"
    (command,) = [b for b in blocks(README, "sh") if b.startswith("curl")]
    assert '"hash"' in sh(command, cluster)


def test_python_of_the_readme(cluster: Cluster) -> None:
    (program,) = blocks(README, "python")
    script = cluster.folder.path.parent / "upload.py"
    script.write_text(here(program, cluster))
    url = sh(f"python {script}", cluster).strip()
    answer = httpx.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")


def test_html_of_the_readme(cluster: Cluster) -> None:
    (page,) = blocks(README, "html")
    page = here(page, cluster).replace("{id}", uploaded(cluster))
    (source,) = re.findall(r'<img src="([^"]+)"', page)
    assert httpx.get(source).status_code == 200
    (action,) = re.findall(r'action="([^"]+)"', page)
    (field,) = re.findall(r'type="file" name="(\w+)"', page)
    answer = httpx.post(action, files={field: ("x.jpg", noise(30, 20), "image/jpeg")})
    assert answer.status_code == 201


def test_commands_of_the_readme(cluster: Cluster) -> None:
    (listed,) = [b for b in blocks(README, "sh") if b.startswith("apomixis up")]
    lines = [line.partition("#")[0].strip() for line in listed.splitlines()]
    assert [line.split()[1] for line in lines] == ["up", "put", "url", "status", "scale"]
    image_id = uploaded(cluster)
    for line in lines[1:4]:
        assert sh(line.replace("ID", image_id), cluster)


def test_commands_of_the_operations_document(cluster: Cluster) -> None:
    commands = [
        line for block in blocks(ROOT / "docs/operations.md", "sh") for line in block.splitlines()
    ]
    assert {line.split()[1] for line in commands} == {"scale", "replace", "verify"}
    for line in sorted(commands, key=lambda line: "verify" not in line):
        sh(line, cluster)
    wanted = cluster.folder.wanted()
    assert wanted["nodes"] == 3
    assert [key.split("@")[0] for key in wanted["replaced"]] == ["node-2"]


def test_signatures_of_the_api_document() -> None:
    (program,) = [b for b in blocks(ROOT / "docs/http-api.md", "python") if "signature" in b]
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102  the document's own recipe
    signature = names["signature"]
    assert callable(signature)
    assert signature(b"key", "a" * 40, "300w", "jpg") == sign("a" * 40, "300w", "jpg", "key")


def test_the_error_table_is_the_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", (ROOT / "docs/http-api.md").read_text(), re.M)
    assert {code: int(status) for code, status in rows} == dict(STATUS_OF)


def test_the_sizes_of_the_readme_are_sizes() -> None:
    section = README.read_text().partition("## Sizes")[2].partition("## The command")[0]
    sizes = re.findall(r"`(full|\d+[\dwhscxq]*)`", section)
    assert len(sizes) >= 8
    for size in sizes:
        assert str(parse(size, qualities=(60,))) == size


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([\w-]+))?\)", text):
        found = (path.parent / target) if target else path
        assert found.exists(), f"{path.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w-]", "", t.lower().replace(" ", "-")) for t in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_what_is_named_exists(path: Path) -> None:
    text = path.read_text()
    known = {f"APOMIXIS_{name.upper()}" for name in Settings.model_fields} | {"APOMIXIS_URL"}
    assert set(re.findall(r"APOMIXIS_[A-Z_]+[A-Z]", text)) <= known
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make (\w+)", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"
    for module in re.findall(r"`(\w+\.py)`", text):
        parts = ("node", "ring", "operator", "tests")
        assert any(list(ROOT.glob(f"{part}/**/{module}")) for part in parts), module
