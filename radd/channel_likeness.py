"""Whether the channels of a recording or a live source are one signal."""

from __future__ import annotations

import numpy as np

ALIKE = 0.85  # correlation with their mean above which channels count as one signal
FAINT = 1e-5  # of the loudest channel's power: a fainter channel counts as silent


def are_alike(product: np.ndarray) -> bool:
    """Whether all channels that are not silent resemble their mean.

    `product` is the sum of the products of each two channels, float64 (channels, channels).
    """
    power = product.diagonal()
    heard = power > FAINT * power.max()
    if not heard.any():
        return True
    with_mix = product.mean(axis=1)
    scale = np.sqrt(power * product.mean()) + 1e-12
    return bool((with_mix[heard] >= ALIKE * scale[heard]).all())
