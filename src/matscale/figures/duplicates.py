"""Pictures that look alike, by a hash that survives scaling and compression."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matscale.figures.images import pixels

NEAR = 4
"""Bits of 64 in which two hashes of one picture may differ."""

_SIDE, _KEPT = 32, 8


def perceptual_hash(path: Path) -> int:
    """A 64-bit hash of a picture's coarse structure.

    The 8 by 8 lowest frequencies of the cosine transform of a grey 32 by 32 thumbnail, each
    compared with their median (Zauner, "Implementation and benchmarking of perceptual image hash
    functions", 2010, section 3.2).
    """
    from PIL import Image
    from scipy.fft import dctn

    grey = pixels(path).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(grey, float), norm="ortho")[:_KEPT, :_KEPT].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_pairs(hashes: np.ndarray, within: int = NEAR) -> np.ndarray:
    """Pairs of hashes that differ in few bits.

    Args:
        hashes: (n,) uint64.
        within: Largest number of differing bits.

    Returns:
        (pairs, 2) row numbers, the smaller first.
    """
    pairs = []
    for row in range(len(hashes)):
        bits = np.bitwise_count(hashes[row + 1 :] ^ hashes[row])
        others = row + 1 + np.flatnonzero(bits <= within)
        pairs.append(np.stack([np.full_like(others, row), others], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), int)
