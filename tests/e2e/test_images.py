"""The images, as they were built for these tests."""

from __future__ import annotations

import json
import os

import pytest

from kube import images
from needs import need

pytestmark = pytest.mark.cluster

MB = 1_000_000
MOST = {images.NODE: 200 * MB, images.OPERATOR: 150 * MB}
"""Compressed, over the base."""


@pytest.fixture(autouse=True)
def built() -> None:
    need(os.environ.get("APOMIXIS_KUBE_MACHINES"), "images in archives: make e2e, no KUBECONFIG")


@pytest.mark.parametrize("image", MOST)
def test_an_image_is_small(image: str) -> None:
    size, base = (images.archive(name).stat().st_size for name in (image, images.BASE))
    assert 0 < size - base < MOST[image]


@pytest.mark.parametrize("image", MOST)
def test_an_image_is_not_of_root_and_says_what_it_is(image: str) -> None:
    config = json.loads(images.buildah("inspect", "--type=image", image))["OCIv1"]["config"]
    assert config["User"] == "10001:10001"
    title = image.rpartition("/")[2].partition(":")[0]
    assert config["Labels"]["org.opencontainers.image.title"] == title
    assert {"description", "licenses"} <= {
        label.removeprefix("org.opencontainers.image.") for label in config["Labels"]
    }
