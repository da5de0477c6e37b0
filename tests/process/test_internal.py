"""The internal listener: closed to whoever lacks the secret, deaf to wrong epochs and members."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from apomixis_node.access import Secrets
from apomixis_node.internal import ROUTES
from apomixis_node.peers import EPOCH, EXTENSION, FROM, INCARNATION, MEMBER, STAMP
from cluster import Cluster
from pictures import corners, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("internal")]

NOTHING: dict[str, str] = {}
NOW = str(time.time_ns() // 1_000_000)
OPEN = {"/healthz", "/readyz", "/metrics"}
PICTURE = encoded(corners(), "PNG")
ID = hashlib.sha1(PICTURE, usedforsecurity=False).hexdigest()
CALLS = [
    (method, route.path.format(id=ID, name="20w.jpg", index="0"))
    for route in ROUTES
    for method in sorted(route.methods or ())
]
CLOSED = [(method, path) for method, path in CALLS if path not in OPEN]
OF_IMAGES = [(method, path) for method, path in CLOSED if ID in path]


class Node:
    """One node's internal listener, as a peer sees it."""

    def __init__(self, cluster: Cluster) -> None:
        entry = cluster.nodes[0]
        self.tmp = Path(entry.data) / "tmp"
        self.public = entry.public_url
        self.secret = cluster.folder.secret_file.read_text().split()[0]
        self.client = httpx.Client(base_url=entry.internal_url, timeout=30, trust_env=False)
        self.ring = self.client.get("/ring", headers=self.key()).json()
        self.me = self.client.get("/identity", headers=self.key()).json()

    def key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def call(
        self, method: str, path: str, content: bytes = b"", changed: dict[str, str] = NOTHING
    ) -> httpx.Response:
        """A call as a peer makes it, but for the headers that are changed."""
        usual = self.key() | {
            EPOCH: str(self.ring["epoch"]),
            INCARNATION: self.me["incarnation"],
            STAMP: NOW,
            EXTENSION: "png",
        }
        headers = {
            name.encode(): value.encode("latin-1") for name, value in (usual | changed).items()
        }
        return self.client.request(method, path, content=content, headers=headers)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Cluster(tmp_path_factory.mktemp("internal") / "data", nodes=1) as cluster:
        node = Node(cluster)
        yield node
        node.client.close()


def refused(answer: httpx.Response) -> tuple[int, str]:
    body: dict[str, Any] = answer.json()
    assert body["detail"]
    return answer.status_code, body["error"]


def almost(secret: str) -> dict[str, str]:
    last = "a" if secret[-1] != "a" else "b"
    return {
        "no header": "",
        "no secret": "Bearer",
        "another": "Bearer nonsense",
        "last character": f"Bearer {secret[:-1]}{last}",
        "one less": f"Bearer {secret[:-1]}",
        "one more": f"Bearer {secret}x",
        "twice": f"Bearer {secret}{secret}",
        "other case": f"Bearer {secret.swapcase()}",
        "no scheme": secret,
        "another scheme": f"Basic {secret}",
        "eight bits": f"Bearer {secret}\xff",
        "two of them": f"Bearer {secret},Bearer {secret}",
        "a zero byte of another kind": f"Bearer {secret}%00",
    }


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_every_route_is_closed_without_the_secret(node: Node, method: str, path: str) -> None:
    for what, value in almost(node.secret).items():
        headers = {b"Authorization": value.encode("latin-1")} if value else {}
        answer = node.client.request(method, path, headers=headers)
        assert answer.status_code == 401, what
        assert method == "HEAD" or refused(answer) == (401, "key_required"), what


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_every_route_is_open_with_the_secret(node: Node, method: str, path: str) -> None:
    assert node.call(method, path).status_code != 401


@pytest.mark.parametrize("path", sorted(OPEN))
def test_health_and_metrics_are_open_to_everybody(node: Node, path: str) -> None:
    assert node.client.get(path).status_code == 200


def test_nothing_internal_is_on_the_public_listener(node: Node) -> None:
    public = {path for _, path in CLOSED} - {"/status"}
    for path in sorted(public | {"/metrics"}):
        assert httpx.get(node.public + path, headers=node.key()).status_code == 404, path


def test_the_secret_is_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, valid: bytes) -> bool:
        compared.append((given, valid))
        return False

    (tmp_path / "secret").write_text("first\nsecond\n")
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not Secrets(tmp_path / "secret").accepts("Bearer second")
    assert compared == [(b"second", b"first"), (b"second", b"second")]


@pytest.mark.parametrize(("method", "path"), OF_IMAGES)
def test_an_older_epoch_is_answered_with_the_newer_ring(node: Node, method: str, path: str) -> None:
    answer = node.call(method, path, changed={EPOCH: "0"})
    assert answer.status_code == 409
    if method != "HEAD":
        assert refused(answer) == (409, "stale_epoch")
        assert answer.json()["ring"] == node.ring


@pytest.mark.parametrize(("method", "path"), OF_IMAGES)
def test_a_newer_epoch_of_nobody_known_is_not_believed(node: Node, method: str, path: str) -> None:
    answer = node.call(method, path, changed={EPOCH: "9", FROM: "nobody@0000"})
    assert answer.status_code == 503
    assert node.client.get("/ring", headers=node.key()).json() == node.ring


@pytest.mark.parametrize("epoch", ["", "x", "-1", "1.0", "²", "0x1", "9" * 5000])
def test_an_epoch_is_a_number(node: Node, epoch: str) -> None:
    answer = node.call("GET", f"/about/{ID}", changed={EPOCH: epoch})
    assert refused(answer) == (400, "bad_request")


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_another_incarnation_is_not_this_member(node: Node, method: str, path: str) -> None:
    answer = node.call(method, path, changed={INCARNATION: "0" * 16})
    assert answer.status_code == 421
    assert answer.headers[MEMBER] == f"{node.me['name']}@{node.me['incarnation']}"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({STAMP: ""}, (400, "bad_request")),
        ({STAMP: "²"}, (400, "bad_request")),
        ({STAMP: "9" * 5000}, (400, "bad_request")),
        ({STAMP: "-5"}, (400, "bad_request")),
        ({EXTENSION: "exe"}, (400, "bad_request")),
        ({EXTENSION: "../png"}, (400, "bad_request")),
    ],
)
def test_an_original_comes_with_its_stamp_and_format(
    node: Node, changed: dict[str, str], expected: tuple[int, str]
) -> None:
    answer = node.call("PUT", f"/originals/{ID}", PICTURE, changed)
    assert refused(answer) == expected


def test_only_the_bytes_of_the_id_are_kept(node: Node) -> None:
    answer = node.call("PUT", f"/originals/{'0' * 40}", PICTURE)
    assert refused(answer) == (422, "hash_mismatch")
    picture = encoded(corners(44, 22), "PNG")
    path = f"/originals/{hashlib.sha1(picture, usedforsecurity=False).hexdigest()}"
    assert node.call("PUT", path, picture).status_code == 201
    assert node.call("PUT", path, picture).json()["error"] == "newer_stamp"
    assert node.call("GET", path).content == picture
    assert not list(node.tmp.iterdir())


@pytest.mark.parametrize(
    "path",
    ["/originals/../secret", "/originals/..%2fsecret", "/about/%00", f"/about/{ID.upper()}"],
)
def test_an_id_is_nothing_else(node: Node, path: str) -> None:
    assert node.call("GET", path).status_code in (400, 404)


@pytest.mark.parametrize("name", ["20w", "20w.svg", "20w.auto", "0w.jpg", ".jpg", "full.exe"])
def test_a_rendition_is_asked_for_by_size_and_format(node: Node, name: str) -> None:
    assert node.call("GET", f"/renditions/{ID}/{name}").status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"epoch": 1e999}', b"9" * 5000, b"NaN"],
)
def test_what_is_no_ring_is_refused(node: Node, body: bytes) -> None:
    assert refused(node.call("PUT", "/ring", body)) == (400, "bad_request")
    assert node.client.get("/ring", headers=node.key()).json() == node.ring


def test_two_rings_of_one_epoch_are_a_conflict(node: Node) -> None:
    other = json.loads(json.dumps(node.ring))
    other["cluster"] = "another"
    assert refused(node.call("PUT", "/ring", json.dumps(other).encode()))[0] == 400
