"""Keys, secrets, signatures and allowed sizes: who gets in, and what happens when files change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apomixis_node.access import (
    SIGNATURE_LENGTH,
    Keys,
    Secrets,
    Signing,
    UploadKeys,
    bearer,
    check_allowed,
    sign,
)
from apomixis_node.cli.introduction import Shown
from apomixis_node.cli.remote import Remote
from apomixis_node.errors import ApiError
from apomixis_node.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ID = "3f9c0a1b2c3d4e5f60718293a4b5c6d7e8f9aabb"


def keys_in(path: Path) -> tuple[str, ...]:
    return Keys(path, "upload_keys").all


def test_a_file_has_one_key_a_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("one\n\n  two \r\none\n")
    assert keys_in(file) == ("one", "two")


def test_a_folder_has_one_key_a_file_and_hidden_files_are_none(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("shop-key\n")
    (tmp_path / "blog").write_text("blog-key")
    (tmp_path / ".hidden").write_text("no-key")
    (tmp_path / "folder").mkdir()
    assert keys_in(tmp_path) == ("blog-key", "shop-key")


def test_a_mounted_secret_changes_by_its_link(tmp_path: Path) -> None:
    for version in ("old", "new"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "key").write_text(version)
    (tmp_path / "..data").symlink_to("..old")
    (tmp_path / "key").symlink_to("..data/key")
    keys = Keys(tmp_path, "upload_keys")
    assert keys.all == ("old",)
    (tmp_path / "..next").symlink_to("..new")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert keys.all == ("new",)


def test_a_change_of_the_same_length_within_a_moment_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("aaaa")
    keys = Keys(file, "upload_keys")
    for word in ("bbbb", "cccc", "dddd"):
        file.write_text(word)
        assert keys.all == (word,)


def test_an_old_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("key")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    keys = Keys(file, "upload_keys")
    monkeypatch.setattr(type(file), "read_text", lambda *_: pytest.fail("read again"))
    assert keys.accepts("key")


def test_a_file_that_vanishes_is_no_news_and_an_empty_one_revokes(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("key")
    keys = Keys(file, "upload_keys")
    file.unlink()
    assert keys.accepts("key")
    file.write_text("")
    assert not keys.accepts("key")


def test_a_key_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"APOMIXIS_UPLOAD_KEYS: .*No such file"):
        UploadKeys(tmp_path / "none")


def test_without_configured_keys_anybody_uploads() -> None:
    keys = UploadKeys(None)
    keys.check(None)
    assert keys.open


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "key_required"),
        ("", "key_required"),
        ("wrong", "key_refused"),
        ("clé", "key_refused"),
    ],
)
def test_an_upload_without_a_valid_key_is_refused(
    tmp_path: Path, key: str | None, code: str
) -> None:
    (tmp_path / "keys").write_text("right\nother")
    keys = UploadKeys(tmp_path / "keys")
    keys.check("right")
    keys.check("other")
    with pytest.raises(ApiError) as refused:
        keys.check(key)
    assert refused.value.code == code


def test_a_configured_but_empty_key_file_lets_nobody_upload(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("\n")
    with pytest.raises(ApiError, match="key_refused"):
        UploadKeys(tmp_path / "keys").check("any")


def test_the_first_secret_is_sent_and_every_one_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("new\nold\n")
    secrets = Secrets(file)
    assert secrets.current == "new"
    assert secrets.accepts("Bearer new")
    assert secrets.accepts("bearer old")
    for header in (None, "", "Bearer", "Bearer ", "Basic new", "new", "Bearer newer"):
        assert not secrets.accepts(header)


def test_a_rotated_secret_is_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    secrets = Secrets(file)
    file.write_text("new\nold")
    assert (secrets.current, secrets.accepts("Bearer old")) == ("new", True)
    file.write_text("new")
    assert not secrets.accepts("Bearer old")


def test_a_secret_file_that_is_emptied_still_has_a_secret_to_send_but_accepts_none(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secret"
    file.write_text("secret")
    secrets = Secrets(file)
    file.write_text("")
    assert secrets.current == "secret"
    assert not secrets.accepts("Bearer secret")


def test_a_secret_file_without_a_secret_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SettingsError, match="APOMIXIS_SECRET_FILE"):
        Secrets(tmp_path / "secret")


def test_a_signature_is_128_bits_of_hmac_sha256_in_22_characters() -> None:
    digest = hmac.new(b"key", f"{ID}/300w/jpg".encode(), hashlib.sha256).digest()[:16]
    signature = sign(ID, "300w", "jpg", "key")
    assert base64.urlsafe_b64decode(signature + "==") == digest
    assert len(signature) == SIGNATURE_LENGTH == 22


def test_another_text_with_the_same_bits_is_not_the_signature(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("key")
    signing = Signing(tmp_path / "keys")
    signature = sign(ID, "300w", "jpg", "key")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    assert base64.urlsafe_b64decode(twin + "==") == base64.urlsafe_b64decode(signature + "==")
    signing.check(signature, ID, "300w", "jpg")
    with pytest.raises(ApiError, match="bad_signature"):
        signing.check(twin, ID, "300w", "jpg")


@pytest.mark.parametrize(
    ("image_id", "size", "extension"),
    [(ID, "301w", "jpg"), (ID, "300w", "png"), ("0" * 40, "300w", "jpg")],
)
def test_a_signature_is_for_one_id_size_and_extension(
    tmp_path: Path, image_id: str, size: str, extension: str
) -> None:
    (tmp_path / "keys").write_text("key")
    with pytest.raises(ApiError, match="bad_signature"):
        Signing(tmp_path / "keys").check(sign(ID, "300w", "jpg", "key"), image_id, size, extension)


@given(st.text())
def test_no_text_but_the_signature_passes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "signing-keys"
    file.write_text("key")
    with pytest.raises(ApiError):
        Signing(file).check(text, ID, "300w", "jpg")


def test_the_first_key_signs_and_older_ones_are_still_accepted(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("new\nold")
    signing = Signing(file)
    assert signing.sign(ID, "full", "jpg") == sign(ID, "full", "jpg", "new")
    signing.check(sign(ID, "full", "jpg", "old"), ID, "full", "jpg")
    with pytest.raises(ApiError):
        signing.check(None, ID, "full", "jpg")


def test_without_signing_keys_no_signature_is_asked_for() -> None:
    signing = Signing(None)
    signing.check(None, ID, "300w", "jpg")
    assert (signing.required, signing.sign(ID, "300w", "jpg")) == (False, None)


def test_an_allow_list_refuses_every_other_size_and_says_which_there_are() -> None:
    check_allowed("300w", ())
    check_allowed("300w", ("200s", "300w"))
    with pytest.raises(ApiError, match="take one of 200s, 800w") as refused:
        check_allowed("full", ("800w", "200s"))
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer x", "x"), ("bearer  x ", "x"), ("Bearer", None), ("Basic x", None), (None, None)],
)
def test_bearer_tokens(header: str | None, token: str | None) -> None:
    assert bearer(header) == token


def test_fingerprints_tell_which_keys_are_read_and_not_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("old\n")
    secrets = Secrets(file)
    (old,) = secrets.fingerprints("photos.web")
    file.write_text("old\nnew\n")
    assert secrets.fingerprints("photos.web")[0] == old
    assert len(secrets.fingerprints("photos.web")) == 2
    assert secrets.current == "old"
    file.write_text("new\nold\n")
    assert secrets.fingerprints("photos.web")[1] == old
    assert secrets.current == "new"
    assert secrets.fingerprints("another.web")[1] != old
    assert "old" not in old


def test_a_job_shows_the_key_as_it_is_at_every_request(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("old\n")
    shown = Shown(Remote("http://photos", file).secret)
    for keys in ("old\nnew\n", "new\nold\n", "new\n"):
        file.write_text(keys)
        request = next(shown.auth_flow(httpx.Request("GET", "http://photos/ring")))
        assert request.headers["Authorization"] == f"Bearer {keys.split()[0]}"
