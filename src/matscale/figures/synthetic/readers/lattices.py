"""Measuring lattice images, diffraction patterns and ball models."""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.readers.bar import find_bar, without_bar
from matscale.figures.synthetic.readers.micrographs import is_red

CENTRE_REACH = 30
ZONE_SHAPES = {
    "[001]": (1.0, 90.0),
    "[011]": (1.0, 70.53),
    "[111]": (1.0, 60.0),
    "[112]": (np.sqrt(8 / 3), 90.0),
}
"""Ratio of the two shortest vectors of a face-centred cubic zone, and the angle between them."""


def fringe_spacing(pixels: np.ndarray) -> float:
    """Widest spacing in nm: the strong peak of the power spectrum that is nearest to its centre."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    bar = find_bar(pixels)
    grey = without_bar(pixels, bar)
    grey = grey - gaussian_filter(grey, 20)
    window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    size = 2048
    power = np.abs(np.fft.rfft2(grey * window, (size, size))) ** 2
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.hypot(fy, fx)
    power[(frequency < 1 / 40) | (frequency > 1 / 5)] = 0
    peaks = (power == maximum_filter(power, 15, mode="wrap")) & (power > 0.08 * power.max())
    return bar.per_pixel("nm") / float(frequency[peaks].min())


def spots_bright(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """The pattern with bright spots, grey (h, w), and the reciprocal size of its pixels in 1/nm."""
    bar = find_bar(pixels)
    grey = without_bar(pixels, bar)
    middle = np.median(grey)
    dark_spots = np.percentile(grey, 99.9) - middle < middle - np.percentile(grey, 0.1)
    return (-grey if dark_spots else grey), bar.per_pixel("1/nm")


def beam_centre(bright: np.ndarray) -> np.ndarray:
    """The direct beam (2,) as x, y: the widest spot near the middle."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(bright, 5)
    # The frame's middle is known to about the pixels that a strip may have been mistaken for.
    y0, x0 = (np.array(bright.shape) / 2).astype(int)
    part = smooth[y0 - CENTRE_REACH : y0 + CENTRE_REACH, x0 - CENTRE_REACH : x0 + CENTRE_REACH]
    y, x = np.unravel_index(np.argmax(part), part.shape)
    return np.array([x + x0 - CENTRE_REACH, y + y0 - CENTRE_REACH], float)


def ringed_spacing(pixels: np.ndarray) -> float:
    """Spacing in nm of the reflection inside of the red ring.

    Raises:
        ValueError: If there is no ring.
    """
    red = is_red(pixels.astype(int))
    rows, columns = np.nonzero(red)
    if not len(rows):
        raise ValueError("there is no ring")
    bright, per_pixel = spots_bright(pixels)
    place = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    distance = float(np.hypot(*(place - beam_centre(bright))))
    return 1 / (distance * per_pixel)


def zone_scores(pixels: np.ndarray) -> dict[str, float]:
    """How well each zone axis explains the two shortest vectors between spots."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    bright, _ = spots_bright(pixels)
    signal = gaussian_filter(bright, 2.0) - gaussian_filter(bright, 9.0)
    level = 5 * 1.4826 * np.median(np.abs(signal - np.median(signal)))
    peaks = (signal == maximum_filter(signal, 15)) & (signal > level)
    places = np.argwhere(peaks)[:, ::-1].astype(float)
    vectors = places - beam_centre(bright)
    lengths = np.hypot(*vectors.T)
    order = np.argsort(lengths)
    order = order[lengths[order] > 15]
    if len(order) < 2:
        return dict.fromkeys(ZONE_SHAPES, 0.0)
    # Spots at plus and minus a vector tell it better than one of them.
    first = _refined(vectors[order[0]], vectors)
    for other in order[1:]:
        second = _refined(vectors[other], vectors)
        cosine = abs(first @ second) / (np.linalg.norm(first) * np.linalg.norm(second))
        if cosine < 0.9:
            break
    ratio = np.linalg.norm(second) / np.linalg.norm(first)
    angle = np.degrees(np.arccos(min(1.0, cosine)))
    return {
        zone: -abs(np.log(ratio / shape)) - abs(angle - degrees) / 60
        for zone, (shape, degrees) in ZONE_SHAPES.items()
    }


def _refined(vector: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The mean of a vector and of what lies opposite, where something does."""
    gaps = np.hypot(*(vectors + vector).T)
    nearest = int(np.argmin(gaps))
    return (vector - vectors[nearest]) / 2 if gaps[nearest] < 6 else vector


def cell_edge(pixels: np.ndarray) -> float:
    """Edge in nm of one of two by two outlined cells: half of the distance of the outer lines."""
    bar = find_bar(pixels)
    left, top, right, bottom = bar.box
    field = pixels.astype(int).copy()
    field[top:bottom, left:right] = 238
    neutral = (np.ptp(field, axis=2) < 12) & (field.max(axis=2) < 225)
    counts = neutral.sum(axis=0)
    lines = np.flatnonzero(counts > 0.5 * counts.max())
    return float(lines.max() - lines.min()) / 2 * bar.per_pixel("nm")


def element_scores(pixels: np.ndarray) -> dict[str, float]:
    """How well each number of elements explains the hues of the balls."""
    from PIL import Image

    hsv = np.asarray(Image.fromarray(pixels).convert("HSV")).reshape(-1, 3).astype(int)
    coloured = hsv[(hsv[:, 1] > 60) & (hsv[:, 2] > 70)]
    counts = np.bincount(coloured[:, 0] * 64 // 256, minlength=64).astype(float)
    smooth = sum(np.roll(counts, shift) for shift in (-1, 0, 1))
    higher = (smooth > np.roll(smooth, 1)) & (smooth >= np.roll(smooth, -1))
    found = int((higher & (smooth > 0.03 * counts.sum())).sum())
    return {str(number): -abs(number - found) for number in range(1, 5)}
