"""nginx in front of a node weakens nothing: signatures, lists of sizes, revoked keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apomixis_node.access import sign
from pair import PICTURES, Pair, pair

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("nginx")]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("signed")
    (folder / "keys").write_text("first\n")
    yield from pair(folder / "images", APOMIXIS_SIGNING_KEYS=str(folder / "keys"))


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("listed")
    yield from pair(folder / "images", APOMIXIS_SIZES="100w,200s")


def test_signed_hits_need_their_signature(signed: Pair) -> None:
    image_id = signed.ids["photo"]
    for size, extension in (("100w", "jpg"), ("100w", "auto"), ("50s", "webp")):
        right = sign(image_id, size, extension, "first")
        answer = signed.hit(f"/image/{image_id}/{size}/{right}/x.{extension}")
        assert answer.status_code == 200
        for wrong in (right[:-1] + "_", right[::-1], right.swapcase()):
            refused = signed.miss(f"/image/{image_id}/{size}/{wrong}/x.{extension}")
            assert refused.status_code == 403
        assert signed.miss(f"/image/{image_id}/{size}/x.{extension}").status_code == 403
    other = sign(image_id, "101w", "jpg", "first")
    assert signed.miss(f"/image/{image_id}/100w/{other}/x.jpg").status_code == 403


def test_a_signed_original_is_the_nodes_decision_and_nginx_sends_it(signed: Pair) -> None:
    image_id = signed.ids["photo"]
    right = sign(image_id, "full", "jpg", "first")
    path = f"/image/{image_id}/full/{right}/x.jpg"
    assert signed.miss(path).content == PICTURES["photo"][1]
    for headers in ({"Range": "bytes=3-9"}, {"Range": "bytes=99999999-"}, {"If-None-Match": "*"}):
        signed.same(path, headers)
    assert signed.miss(f"/image/{image_id}/full/x.jpg").status_code == 403
    assert signed.same(f"/.originals/{image_id[:3]}/{image_id}.jpg").status_code == 404


def test_a_key_taken_away_hits_no_more(signed: Pair) -> None:
    image_id = signed.ids["photo"]
    path = f"/image/{image_id}/70w/{sign(image_id, '70w', 'jpg', 'first')}/x.jpg"
    signed.hit(path)
    keys = signed.cluster.folder.path.parent / "keys"
    keys.write_text("second\n")
    signed.cluster.wait(lambda: signed.nginx.get(path).status_code == 403, "the key to be refused")
    new = f"/image/{image_id}/70w/{sign(image_id, '70w', 'jpg', 'second')}/x.jpg"
    assert signed.hit(new).status_code == 200
    keys.write_text("first\n")
    signed.cluster.wait(lambda: signed.nginx.get(path).status_code == 200, "the key to be taken")


def test_the_list_of_sizes_holds(listed: Pair) -> None:
    image_id = listed.ids["photo"]
    assert listed.hit(f"/image/{image_id}/100w/x.jpg").status_code == 200
    assert listed.hit(f"/image/{image_id}/200s/x.auto").status_code == 200
    # On disk from before, when the list was longer.
    folder = next((Path(listed.cluster.nodes[0].data) / "cache").glob(f"*/*/{image_id}"))
    (folder / "90w.jpg").write_bytes((folder / "100w.jpg").read_bytes())
    for path in ("90w/x.jpg", "full/x.jpg", "full/x.webp"):
        assert listed.miss(f"/image/{image_id}/{path}").status_code == 403
