"""The links by which a node says what nginx may serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from apomixis_node import front
from apomixis_node.accept import CANDIDATES, named
from apomixis_node.nginx import configuration
from apomixis_node.paths import read_path
from apomixis_node.settings import Settings

ID = "3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb"
SIGNATURE = "A-_9" * 5 + "zz"
GOLDEN = Path(__file__).with_name("golden") / "nginx.conf"


def site(**given: object) -> Settings:
    base: dict[str, object] = {
        "name": "photos-0",
        "secret_file": Path("/etc/apomixis/secret"),
        "data": Path("/data"),
        "socket": Path("/data/public.sock"),
    }
    return Settings(**(base | given))  # type: ignore[arg-type]


def test_another_site_has_another_flag() -> None:
    flags = {
        front.plan(site()),
        front.plan(site(max_side=100)),
        front.plan(site(qualities=(60,))),
        front.plan(site(sizes=("300w",))),
        front.plan(site(signing_keys=Path("keys"))),
    }
    assert len(flags) == 5
    assert front.plan(site(max_bytes=1)) == front.plan(site())


def test_a_new_front_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "front"
    (folder / "owned").mkdir(parents=True)
    (folder / "0123.originals").symlink_to("owned")
    front.Front(tmp_path, "0123", tmp_path / "cache" / "tag")
    assert [path.name for path in folder.iterdir()] == ["owned"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/image/{ID}/300w/x.auto", "300w.auto-a.webp"),
        (f"/image/{ID}/300w/{SIGNATURE}/x.auto", f"300w.{SIGNATURE}.auto-a.webp"),
        (f"/image/{ID}/300w/{SIGNATURE}/x.webp", f"300w.{SIGNATURE}.webp"),
    ],
)
def test_the_name_of_a_hit(path: str, name: str) -> None:
    read = read_path(path.encode(), max_side=4096, qualities=())
    assert front.hit(read, "webp", named("image/avif")) == name


def test_every_choice_is_among_the_candidates() -> None:
    assert CANDIDATES == {"a": ("avif", "webp"), "w": ("webp",), "n": ("jpg", "png", "gif")}


def test_the_configuration_is_the_one_that_was_looked_at() -> None:
    """After a change on purpose: `APOMIXIS_… apomixis nginx-config`, and look at the difference."""
    assert configuration(site()) == GOLDEN.read_text()


def test_without_a_socket_there_is_no_configuration() -> None:
    with pytest.raises(ValueError, match="APOMIXIS_SOCKET"):
        configuration(site(socket=None))


@pytest.mark.parametrize(
    "given", [{"signing_keys": Path("keys")}, {"sizes": ("300w",)}], ids=["signed", "listed"]
)
def test_originals_are_not_looked_for_where_each_is_the_nodes_decision(
    given: dict[str, object],
) -> None:
    text = configuration(site(**given))
    assert "$original" not in text
    assert "location @original" not in text


def test_an_address_of_version_6_is_written_in_brackets() -> None:
    assert "listen [::]:8080 default_server backlog=2048 ipv6only=off;" in configuration(
        site(host="::")
    )
