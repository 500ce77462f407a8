"""Measuring micrographs: one function a question, from pixels (H, W, 3) to a number or scores."""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.grains import mean_intercept
from matscale.figures.synthetic.readers.bar import find_bar, without_bar

RED = (190, 90)
"""Least red and most green and blue of what is drawn in red over a picture."""


def is_red(pixels: np.ndarray) -> np.ndarray:
    """Where something is drawn in red (H, W)."""
    return (pixels[..., 0] >= RED[0]) & (pixels[..., 1:].max(axis=2) <= RED[1])


def otsu(values: np.ndarray) -> float:
    """The level that parts values into two classes with the most variance between (Otsu, 1979)."""
    counts, edges = np.histogram(values, bins=128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
        between = np.nan_to_num(below * above * gap**2)
    return float(middles[np.argmax(between)])


def flattened(grey: np.ndarray) -> np.ndarray:
    """A picture without the plane of brightness that fits it best."""
    y, x = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    design = np.column_stack([x.ravel(), y.ravel(), np.ones(grey.size)])
    # Fitted to the larger part, the ground: objects stand out of it.
    weights = np.ones(grey.size, bool)
    values = grey.ravel()
    for _ in range(4):
        plane = np.linalg.lstsq(design[weights], values[weights], rcond=None)[0]
        rest = values - design @ plane
        middle = np.median(rest)
        weights = np.abs(rest - middle) < 1.5 * np.median(np.abs(rest - middle)) + 1e-9
    return (values - design @ plane).reshape(grey.shape)


def objects(
    grey: np.ndarray, smooth: float, least: int, edge: float = 1.0
) -> tuple[np.ndarray, int]:
    """Labels (h, w) of what stands out of the ground, brighter or darker, and how many there are.

    Args:
        grey: The picture.
        smooth: Standard deviation in pixels of the filter against noise.
        least: Smallest area in pixels.
        edge: Where outlines are taken, from 0, the ground, to 1, Otsu's level; lower for objects
            that thin out towards their outline.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label

    signal = gaussian_filter(flattened(grey), smooth)
    if (signal > otsu(signal)).mean() > 0.5:  # objects are the smaller part
        signal = -signal
    ground = np.median(signal)
    mask = signal > ground + edge * (otsu(signal) - ground)
    labels, count = label(binary_fill_holes(mask))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    kept = np.flatnonzero(areas[1:] >= least) + 1
    renumbered = np.zeros(count + 1, int)
    renumbered[kept] = np.arange(1, len(kept) + 1)
    return renumbered[labels], len(kept)


def particle_areas(pixels: np.ndarray) -> tuple[np.ndarray, int, float]:
    """Areas (n,) of particles in pixels, area of the picture in pixels, and nm in a pixel."""
    bar = find_bar(pixels)
    grey = without_bar(pixels, bar)
    labels, count = objects(grey, 1.6, 60)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return areas, grey.size, bar.per_pixel("nm")


def mean_diameter(pixels: np.ndarray) -> float:
    """Mean diameter in nm of circles of the particles' areas."""
    areas, _, per_pixel = particle_areas(pixels)
    return float(2 * np.sqrt(areas / np.pi).mean()) * per_pixel


def number_density(pixels: np.ndarray) -> float:
    """Particles in a square micrometre."""
    areas, size, per_pixel = particle_areas(pixels)
    return len(areas) / (size * (per_pixel / 1000) ** 2)


def area_fraction(pixels: np.ndarray) -> float:
    """Percentage of the picture that particles cover."""
    areas, size, _ = particle_areas(pixels)
    return 100 * float(areas.sum()) / size


def particle_diameter(pixels: np.ndarray) -> float:
    """Diameter in nm of a circle of the area of the largest object."""
    bar = find_bar(pixels)
    labels, count = objects(without_bar(pixels, bar), 2.0, 200, edge=0.5)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:].max()
    return 2 * float(np.sqrt(area / np.pi)) * bar.per_pixel("nm")


def grain_intercept(pixels: np.ndarray) -> float:
    """Mean linear intercept in µm, after each pixel is given to the nearest grain's inside."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label

    bar = find_bar(pixels)
    grey = without_bar(pixels, bar)
    ridges = gaussian_filter(grey, 1.2) - gaussian_filter(grey, 5)
    # Etched lines are narrow and strong: the side of the longer tail.
    if ridges.max() + ridges.min() > 0:
        ridges = -ridges
    inside = ridges > -1.2 * ridges.std()
    # Gaps in a line, narrower than twice this, do not join the grains on its sides.
    seeds, _ = label(distance_transform_edt(inside) > 3.5)
    nearest = distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return mean_intercept(seeds[tuple(nearest)]) * bar.per_pixel("µm")


def high_angle_share(pixels: np.ndarray) -> float:
    """Percentage of black among black and red lines, by the pixels that they take."""
    from scipy.ndimage import label

    map_only = pixels[: find_bar(pixels).box[1]].astype(int)
    red = is_red(map_only)
    black = map_only.max(axis=2) < 40
    marks, count = label(black | red, structure=np.ones((3, 3)))
    areas = np.bincount(marks.ravel(), minlength=count + 1)
    lines = (areas[marks] > 40) & (marks > 0)
    width_ratio = 3.0 / 2.4
    high, low = (black & lines).sum(), (red & lines).sum() * width_ratio
    return 100 * float(high) / max(1.0, float(high + low))


def texture_scores(pixels: np.ndarray) -> dict[str, float]:
    """How well each texture explains the colours of a map beside its key."""
    from matscale.figures.synthetic.texture import KEY_WIDTH, NO_TEXTURE

    map_only = pixels[:, :-KEY_WIDTH].reshape(-1, 3).astype(float)
    map_only = map_only[(map_only.max(axis=1) > 100) & (map_only.min(axis=1) < 250)]
    shares = map_only - map_only.min(axis=1, keepdims=True)
    leading = np.bincount(np.argmax(shares, axis=1), minlength=3) / len(map_only)
    names = ("⟨001⟩ fibre", "⟨101⟩ fibre", "⟨111⟩ fibre")
    # Random grains: 001, 101 and 111 lead about 36, 41 and 23 %.
    excess = leading - np.array([0.36, 0.41, 0.23])
    return dict(zip(names, excess.tolist(), strict=True)) | {NO_TEXTURE: 0.17}


def cross_distance(pixels: np.ndarray, unit: str) -> float:
    """Distance between two red crosses.

    Raises:
        ValueError: If there are not two.
    """
    from scipy.ndimage import center_of_mass, label

    marks, count = label(is_red(pixels.astype(int)), structure=np.ones((3, 3)))
    if count < 2:
        raise ValueError("there are not two crosses")
    areas = np.bincount(marks.ravel())[1:]
    first, second = np.argsort(areas)[-2:] + 1
    ends = np.array(center_of_mass(marks > 0, marks, [first, second]))
    return float(np.hypot(*(ends[1] - ends[0]))) * find_bar(pixels).per_pixel(unit)
