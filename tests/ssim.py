"""Structural similarity of two pictures: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004.

Grey, a Gaussian window of 11 pixels and sigma 1.5, K1 = .01, K2 = .03, as the paper has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_OFFSETS = np.arange(11) - 5
_WINDOW = np.exp(-(_OFFSETS**2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()


def ssim(one: Image.Image, other: Image.Image) -> float:
    """1 for equal pictures; both of the same size, at least 11 pixels a side."""
    assert one.size == other.size
    a, b = (np.asarray(image.convert("L"), dtype=np.float64) for image in (one, other))
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a = _blurred(a * a) - mean_a**2
    var_b = _blurred(b * b) - mean_b**2
    both = _blurred(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + C1) * (2 * both + C2)
    below = (mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2)
    return float((above / below).mean())


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    high, wide = values.shape[0] - 10, values.shape[1] - 10
    down = sum(w * values[i : i + high] for i, w in enumerate(_WINDOW))
    return np.asarray(sum(w * down[:, i : i + wide] for i, w in enumerate(_WINDOW)))
