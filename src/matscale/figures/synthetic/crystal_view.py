"""Ball models of crystals: how many elements, how long the cell's edge (AtomScale)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.crystals import prototypes, row_of
from matscale.figures.synthetic.micrograph import choose_bar, with_bar
from matscale.figures.synthetic.question import Drawing, Names, Numbers, Question, Value

BY_ELEMENTS = {
    "1": ("fcc", "bcc", "diamond"),
    "2": ("rocksalt", "caesium chloride", "zinc blende"),
    "3": ("perovskite", "half-Heusler"),
    "4": ("quaternary Heusler", "elpasolite"),
}
COLOURS = (
    (214, 69, 65), (52, 119, 190), (70, 160, 83), (235, 164, 40), (142, 84, 170), (60, 178, 182),
)  # fmt: skip
MUTED = {"easy": 0.0, "medium": 0.25, "hard": 0.45}
"""How far colours are drawn towards grey."""
OVERSAMPLING = 3
DEPTH_FADE = 0.25
SHOWN_CELLS = 2
"""Cells along each edge of the block that is drawn in projection."""
CROWDED = 8
"""Atoms in a cell from which one cell is enough for a view in perspective of depth."""


def block_of(prototype: str, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Sites (n, 3) of a cube of cells in units of the edge about its centre, and numbers (n,).

    Atoms on the block's faces are drawn on both sides, as in textbooks.
    """
    table, row = prototypes(), row_of(prototype)
    fractions = table.row_positions(row) @ np.linalg.inv(table.lattices[row])
    steps = np.arange(-1, cells + 1)
    shifts = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 1, 3)
    sites = (shifts + fractions % 1).reshape(-1, 3)
    numbers = np.tile(table.row_numbers(row), len(shifts))
    inside = ((sites > -1e-6) & (sites < cells + 1e-6)).all(axis=1)
    return sites[inside] - cells / 2, numbers[inside]


def palette(style: Style, count: int, rng: np.random.Generator) -> np.ndarray:
    """Different colours (count, 3), 0 to 255."""
    chosen = np.array(COLOURS, float)[rng.permutation(len(COLOURS))[:count]]
    grey = chosen.mean(axis=1, keepdims=True)
    return chosen + MUTED[style.difficulty] * (grey - chosen)


def render_balls(
    places: np.ndarray, depths: np.ndarray, radii: np.ndarray, colours: np.ndarray,
    lines: np.ndarray, style: Style,
) -> np.ndarray:  # fmt: skip
    """Balls with a highlight, far ones first and paler, over the cell's edges.

    Args:
        places: Centres (n, 2) in pixels.
        depths: Heights (n,) towards the viewer, any unit.
        radii: In pixels (n,).
        colours: (n, 3), 0 to 255.
        lines: Edges (m, 2, 2) in pixels.
        style: The frame; its noise and contrast do not apply to drawings.
    """
    factor = OVERSAMPLING
    canvas = Image.new("RGB", (style.width * factor, style.height * factor), (238, 238, 236))
    draw = ImageDraw.Draw(canvas)
    for start, end in lines * factor:
        draw.line((*start, *end), fill=(90, 90, 90), width=factor)
    span = max(float(np.ptp(depths)), 1e-9)
    for atom in np.argsort(depths, kind="stable"):
        x, y = places[atom] * factor
        radius = radii[atom] * factor
        fade = DEPTH_FADE * (depths.max() - depths[atom]) / span
        colour = colours[atom] + fade * (238 - colours[atom])
        _ball(draw, x, y, radius, colour)
    small = canvas.resize((style.width, style.height), Image.Resampling.BOX)
    # Black and white are for the scale bar.
    return np.clip(np.asarray(small), 14, 241)


def _ball(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: np.ndarray) -> None:
    def disc(x: float, y: float, radius: float, colour: np.ndarray) -> None:
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=tuple(int(part) for part in colour))

    disc(x, y, radius, colour * 0.45)
    disc(x, y, radius - 1.2 * OVERSAMPLING, colour)
    disc(x - 0.3 * radius, y - 0.3 * radius, 0.28 * radius, colour + 0.45 * (255 - colour))


def cell_edges(cells: int) -> np.ndarray:
    """The edges (12, 2, 3) of a cube of some cells about the origin."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * cells / 2
    apart = np.abs(corners[:, None] - corners).sum(axis=2)
    pairs = [(a, b) for a in range(8) for b in range(a) if apart[a, b] == cells]
    return corners[np.array(pairs)]


def draw_element_count(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A block of cells, seen from a random direction, of a crystal of this many elements."""
    from scipy.spatial.transform import Rotation

    prototype = str(rng.choice(BY_ELEMENTS[str(value)]))
    cells = 1 if prototypes().n_atoms[row_of(prototype)] >= CROWDED else 2
    sites, numbers = block_of(prototype, cells)
    turn = Rotation.from_euler(
        "zxz", [rng.uniform(0, 360), rng.uniform(62, 78), rng.uniform(-8, 8)], degrees=True
    )
    seen = turn.apply(sites)
    edge = 0.53 / cells * min(style.width, style.height)
    centre = np.array([style.width, style.height]) / 2
    places = centre + edge * seen[:, :2] * [1, -1]
    lines = centre + edge * turn.apply(cell_edges(cells).reshape(-1, 3))[:, :2] * [1, -1]
    kinds = np.unique(numbers)
    colours = palette(style, len(kinds), rng)
    sizes = rng.uniform(0.05, 0.075, len(kinds)) * edge * (0.4 + 0.6 * cells)
    which = np.searchsorted(kinds, numbers)
    image = render_balls(
        places, seen[:, 2], sizes[which], colours[which], lines.reshape(-1, 2, 2), style
    )
    return Drawing(image, value, {"prototype": prototype})


def draw_cell_edge(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """Cells seen along an edge, with their outline and a bar; the edge is this long in nm."""
    prototype = str(rng.choice([name for names in BY_ELEMENTS.values() for name in names]))
    pixels = rng.uniform(0.30, 0.36) * min(style.width, style.height)
    bar = choose_bar(float(value) / pixels, "nm", style.width, rng)
    edge = float(value) / bar.per_pixel
    sites, numbers = block_of(prototype, SHOWN_CELLS)
    centre = np.array([style.width / 2, edge * SHOWN_CELLS / 2 + 22])
    places = centre + edge * sites[:, :2]
    marks = np.arange(SHOWN_CELLS + 1) - SHOWN_CELLS / 2
    far = SHOWN_CELLS / 2
    grid = [[[mark, -far], [mark, far]] for mark in marks]
    grid += [[[-far, mark], [far, mark]] for mark in marks]
    kinds = np.unique(numbers)
    colours = palette(style, len(kinds), rng)
    sizes = rng.uniform(0.08, 0.12, len(kinds)) * edge
    which = np.searchsorted(kinds, numbers)
    balls = render_balls(
        places, sites[:, 2], sizes[which], colours[which], centre + edge * np.array(grid), style
    )
    image = with_bar(balls, bar, style)
    return Drawing(image, edge * bar.per_pixel, bar.details | {"prototype": prototype})


QUESTIONS = (
    Question(
        "crystal_view", "element_count", "AtomScale", Names(tuple(BY_ELEMENTS)),
        (
            "Ball model of a crystal, each element in a colour of its own",
            "Structural model of a cubic crystal; atoms are coloured by element",
        ),
        "number of elements: {}",
        "How many elements does the crystal contain?",
        draw_element_count, "recognition",
    ),
    Question(
        "crystal_view", "cell_edge", "AtomScale",
        Numbers(0.25, 1.2, "nm", {"easy": 1.5, "medium": 1.3, "hard": 1.18}),
        (
            "Ball model of a cubic crystal seen along a cell edge, cells outlined",
            "Structural model of two by two by two cubic cells in projection, cells outlined",
        ),
        "edge of one cell {}",
        "How long is the edge of one outlined cell?",
        draw_cell_edge,
    ),
)  # fmt: skip
