"""Settings: what the environment gives, and one sentence for everything that it gets wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apomixis_node.cli.configuration import SECTIONS, markdown
from apomixis_node.environment import load, variable
from apomixis_node.settings import Settings, SettingsError

ROOT = Path(__file__).parent.parent.parent
NEEDED = {"APOMIXIS_NAME": "node-0", "APOMIXIS_SECRET_FILE": "/etc/apomixis/secret"}

WRONG = {
    "NAME": ["", "two words", "-begins", "x" * 64, "slash/y"],
    "CLUSTER": ["a b", "ends-"],
    "ZONE": ["rack 7", "x" * 64],
    "WEIGHT": ["0", "-1", "nan", "inf", "1001", "heavy"],
    "PORT": ["0", "65536", "http", "tcp://10.0.0.1:80"],
    "INTERNAL_PORT": ["0", "65536", "x"],
    "INTERNAL_URL": ["photos-0:8081", "ftp://x:1", "http://x:1/path", "http://"],
    "SECRET_FILE": [""],
    "SOCKET": ["/" + "x" * 107],
    "MAX_BYTES": ["0", "-5", "many", "5 miles"],
    "MAX_PIXELS": ["0", "1.5", "x"],
    "FORMATS": ["jpg,svg", "jpeg"],
    "UPLOAD_MIN_RATE": ["-1", "slow"],
    "MAX_UPLOADS": ["0", "x"],
    "RESERVE": ["-1", "x"],
    "SIZES": ["200", "0200s", "200h300w", "9999w", "300wq60", "full,,x"],
    "MAX_SIDE": ["0", "10000", "x"],
    "QUALITIES": ["0", "101", "x", "60,120"],
    "JPEG_QUALITY": ["0", "101", "x"],
    "WEBP_QUALITY": ["0", "101", "x"],
    "WEBP_METHOD": ["-1", "7", "x"],
    "AVIF_QUALITY": ["0", "101", "x"],
    "AVIF_SPEED": ["-1", "11", "x"],
    "CACHE_SIZE": ["-1", "x"],
    "FALLBACK_IMAGE": ["nice.jpg", "A" * 40, "a" * 39],
    "WORKERS": ["-1", "257", "x"],
    "RENDER_QUEUE": ["0", "x"],
    "RENDER_DEADLINE": ["0", "-1", "x", "nan", "inf"],
    "RENDER_MEMORY": ["0", "x"],
    "RENDER_PIXELS": ["0", "x"],
    "CONNECT_TIMEOUT": ["0", "x", "nan"],
    "PEER_TIMEOUT": ["0", "x", "nan"],
    "WRITE_TIMEOUT": ["0", "x", "nan"],
    "SUSPECT_FOR": ["0", "x", "nan"],
    "TOMBSTONE_DAYS": ["0", "-1", "3651", "x", "nan"],
    "GOSSIP_INTERVAL": ["0", "x", "nan"],
    "DEAD_AFTER": ["0", "x", "inf"],
    "SYNC_RATE": ["-1", "x"],
    "SYNC_CONCURRENCY": ["0", "65", "x"],
    "VERIFY_RATE": ["-1", "x"],
    "LOG_LEVEL": ["loud", "INFO!"],
}
ANY_TEXT = {"DATA", "HOST", "INTERNAL_HOST", "UPLOAD_KEYS", "SIGNING_KEYS"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("APOMIXIS_"):
            monkeypatch.delenv(name)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_the_least_that_must_be_set_is_a_name_and_a_secret() -> None:
    settings = load()
    assert (settings.name, settings.secret_file) == ("node-0", Path("/etc/apomixis/secret"))
    assert settings.max_bytes == 50 * 1024 * 1024


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_a_wrong_value_is_one_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"APOMIXIS_{name}", value)
    with pytest.raises(SettingsError) as wrong:
        load()
    (sentence,) = str(wrong.value).splitlines()
    assert sentence.startswith(f"APOMIXIS_{name}")
    assert sentence.endswith(".")


def test_every_setting_is_tried_with_wrong_values_or_takes_any_text() -> None:
    assert {variable(n) for n in Settings.model_fields} == {
        f"APOMIXIS_{n}" for n in WRONG.keys() | ANY_TEXT
    }


def test_several_wrong_values_are_one_sentence_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APOMIXIS_NAME")
    monkeypatch.setenv("APOMIXIS_MAX_SIDE", "huge")
    monkeypatch.setenv("APOMIXIS_WORKERS", "-1")
    with pytest.raises(SettingsError) as wrong:
        load()
    assert [line.split()[0].rstrip(":") for line in str(wrong.value).splitlines()] == [
        "APOMIXIS_NAME",
        "APOMIXIS_MAX_SIDE",
        "APOMIXIS_WORKERS",
    ]


def test_two_listeners_on_one_port_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APOMIXIS_INTERNAL_PORT", "8080")
    with pytest.raises(SettingsError, match="APOMIXIS_PORT and APOMIXIS_INTERNAL_PORT are both"):
        load()


def test_a_misspelt_variable_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APOMIXIS_UPLOAD_KEY", "/keys")
    with pytest.raises(SettingsError, match="did you mean APOMIXIS_UPLOAD_KEYS"):
        load()


def test_variables_that_kubernetes_and_the_command_set_are_let_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "PORT_8080_TCP", "URL", "KEY", "KEY_FILE"):
        monkeypatch.setenv(f"APOMIXIS_{name}", "x")
    assert load().name == "node-0"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APOMIXIS_UPLOAD_KEYS", "")
    monkeypatch.setenv("APOMIXIS_PORT", "")
    settings = load()
    assert (settings.upload_keys, settings.port) == (None, 8080)


def test_byte_sizes_take_units_and_lists_take_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APOMIXIS_MAX_BYTES", "5MiB")
    monkeypatch.setenv("APOMIXIS_SIZES", "200s, 800w,full,300wq60,200s33x20")
    monkeypatch.setenv("APOMIXIS_QUALITIES", "60,80")
    settings = load()
    assert settings.max_bytes == 5 * 1024 * 1024
    assert settings.sizes == ("200s", "800w", "full", "300wq60", "200s33x20")
    assert settings.qualities == (60, 80)


def test_peers_reach_a_node_by_its_name_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load().advertised_url == "http://node-0:8081"
    monkeypatch.setenv("APOMIXIS_INTERNAL_URL", "http://10.1.2.3:9000/")
    assert load().advertised_url == "http://10.1.2.3:9000"


def test_workers_are_one_per_cpu_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().worker_count == len(os.sched_getaffinity(0))
    monkeypatch.setenv("APOMIXIS_WORKERS", "7")
    assert load().worker_count == 7


def test_the_reference_in_docs_is_the_settings_table() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == markdown(), (
        "run: apomixis configuration > docs/configuration.md"
    )


def test_every_setting_has_a_description_that_ends_and_every_section_a_setting() -> None:
    assert all((f.description or "").endswith(".") for f in Settings.model_fields.values())
    assert SECTIONS.keys() <= Settings.model_fields.keys()
