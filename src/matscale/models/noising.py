"""Noise of diffusion: how much there is at each time, and what it makes of coordinates and cells.

Time runs from 0, the crystal, to 1, noise. Cells keep a share of the crystal (variance-preserving:
Ho, Jain and Abbeel, Denoising diffusion probabilistic models, NeurIPS 2020), coordinates are only
moved farther and farther around the torus (variance-exploding: Song et al., Score-based generative
modeling through stochastic differential equations, ICLR 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from matscale.models.coupling import nearest_images
from matscale.models.crystals import Crystal

COSINE_OFFSET = 0.008
"""Keeps the first noise from being too small: Nichol and Dhariwal 2021, equation 17."""
NARROW = 0.4
"""Deviation up to which a wrapped normal is summed over its images, and above it over its waves."""
IMAGES, WAVES = 4, 3
"""Terms on each side of those sums; what is left out is below 1e-10 of the whole."""
ALONE = 0.08
"""Deviation below which a normal distribution does not meet its images: 1e-7 of the score."""


def cosine_signal(time: Tensor) -> Tensor:
    """Share of the crystal in the variance, from 1 to 0, (B,).

    Nichol and Dhariwal, Improved denoising diffusion probabilistic models, ICML 2021, equation 17.
    """

    def unscaled(at: Tensor) -> Tensor:
        return ((at + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2).cos().square()

    return unscaled(time) / unscaled(torch.zeros_like(time))


def linear_signal(time: Tensor, least: float = 0.1, most: float = 20.0) -> Tensor:
    """Share of the crystal in the variance where the rate of noise grows from least to most, (B,).

    Song et al., ICLR 2021, equation 33.
    """
    return (-least * time - (most - least) * time.square() / 2).exp()


def geometric(time: Tensor, least: float, most: float) -> Tensor:
    """Standard deviations that grow by the same factor in the same time, (B,).

    Song and Ermon, Generative modeling by estimating gradients of the data distribution, NeurIPS
    2019, section 4.
    """
    return least * (time * math.log(most / least)).exp()


def unit_score(displacement: Tensor, deviation: Tensor, owner: Tensor) -> Tensor:
    """Scores of wrapped normal distributions in units of their size, see :func:`score_size`.

    Jiao et al., Crystal structure prediction by joint equivariant diffusion, NeurIPS 2023,
    equation 7 and section 4.2: the gradient of ``log sum_k exp(-(d + k)^2 / (2 sigma^2))``. In wide
    distributions it is the ratio of sums of waves (Poisson's formula), whose first one is left
    when all others are too small for any number.

    Args:
        displacement: Of each atom from the centre, (N, 3).
        deviation: Sigma of each crystal, positive, (B,).
        owner: Crystal of each atom, (N,).
    """
    narrow, wide = deviation.clamp(max=NARROW), deviation.clamp(min=NARROW)
    of_images = _score_of_images(displacement, narrow[owner, None])
    of_waves = _score_of_waves(displacement, wide[owner, None])
    of_images = of_images / _size_of_images(narrow)[owner, None]
    of_waves = of_waves / _size_of_waves(wide)[owner, None]
    return torch.where((deviation <= NARROW)[owner, None], of_images, of_waves)


def score_size(deviation: Tensor) -> Tensor:
    """Root mean square of the score over draws of each wrapped normal distribution, (B,).

    One over it squared is the weight lambda of Jiao et al. 2023, section 4.2.
    """
    narrow = _size_of_images(deviation.clamp(max=NARROW))
    wide = deviation.clamp(min=NARROW)
    return torch.where(deviation <= NARROW, narrow, _first_wave(wide) * _size_of_waves(wide))


def _score_of_images(displacement: Tensor, deviation: Tensor) -> Tensor:
    """The score as a mean over images."""
    steps = torch.arange(-IMAGES, IMAGES + 1, device=displacement.device)
    near = displacement - displacement.round()
    scaled = (near[..., None] + steps) / deviation[..., None]
    shares = (-0.5 * scaled.square()).softmax(dim=-1)
    return -(shares * scaled).sum(dim=-1) / deviation


def _size_of_images(deviation: Tensor) -> Tensor:
    """Root mean square of that, by the rule of rectangles on the circle, which is exact here."""
    wide = deviation.clamp(min=ALONE)[..., None]
    places = torch.arange(64, device=deviation.device) / 64
    steps = torch.arange(-IMAGES, IMAGES + 1, device=deviation.device)
    scaled = (places - places.round())[:, None] + steps
    density = (-0.5 * (scaled / wide[..., None]).square()).exp().sum(dim=-1)
    squares = _score_of_images(places.expand(density.shape), wide.expand(density.shape)).square()
    size = ((density * squares).sum(dim=-1) / density.sum(dim=-1)).sqrt()
    return torch.where(deviation < ALONE, 1 / deviation, size)


def _first_wave(deviation: Tensor) -> Tensor:
    """Amplitude of the first wave, exp(-2 pi^2 sigma^2)."""
    return (-2 * (math.pi * deviation).square()).exp()


def _score_of_waves(displacement: Tensor, deviation: Tensor) -> Tensor:
    """The score over the amplitude of the first wave."""
    first = _first_wave(deviation)
    angle = 2 * math.pi * displacement
    above = torch.zeros_like(angle * first)
    below = torch.ones_like(above)
    for order in range(1, WAVES + 1):
        above = above + order * first ** (order**2 - 1) * (order * angle).sin()
        below = below + 2 * first ** (order**2) * (order * angle).cos()
    return -4 * math.pi * above / below


def _size_of_waves(deviation: Tensor) -> Tensor:
    """Root mean square of that."""
    places = torch.arange(64, device=deviation.device) / 64
    wide = deviation[..., None]
    first = _first_wave(wide)
    density = torch.ones_like(first * places)
    for order in range(1, WAVES + 1):
        density = density + 2 * first ** (order**2) * (2 * math.pi * order * places).cos()
    return (density * _score_of_waves(places, wide).square()).mean(dim=-1).sqrt()


def earlier(values: Tensor, clean: Tensor, signal: Tensor, wanted: Tensor, noise: Tensor) -> Tensor:
    """Values at an earlier time, drawn where the crystal is known: Ho et al. 2020, equation 7.

    Args:
        values: Now, of mean 0 and deviation 1 in noise, (B, 6).
        clean: Those of the crystal, (B, 6).
        signal: Share of the crystal in the variance now, (B,).
        wanted: The same at the earlier time, larger, (B,).
        noise: Standard normal draws, (B, 6).
    """
    now, then = signal[:, None], wanted[:, None]
    kept = now / then
    of_clean = then.sqrt() * (1 - kept) / (1 - now)
    of_values = kept.sqrt() * (1 - then) / (1 - now)
    spread = ((1 - kept) * (1 - then) / (1 - now)).sqrt()
    return of_clean * clean + of_values * values + spread * noise


def moved(
    crystals: Sequence[Crystal],
    noise: Callable[[int, tuple[int, ...]], np.ndarray],
    random: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Coordinates with noise, and the ways to the nearest images of the crystals, both (N, 3).

    Args:
        crystals: Each in one of its settings, drawn at random.
        noise: What is added to fractional coordinates, of a crystal's place and their shape.
        random: Of the draws of settings.
    """
    places, ways = [], []
    for row, crystal in enumerate(crystals):
        turn = crystal.symmetries[random.integers(len(crystal.symmetries))]
        image = crystal.fractional @ turn
        place = image + noise(row, image.shape)
        places.append(place)
        ways.append(nearest_images(place, image, crystal.groups, crystal.symmetries, random))
    return (
        torch.tensor(np.concatenate(places)).float(),
        torch.tensor(np.concatenate(ways)).float(),
    )
