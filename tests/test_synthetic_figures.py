"""Synthetic figures: the answer is in the image, not in the text, and the same everywhere."""

import io
import json
import math
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.json
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation
from scipy.stats import binom, chisquare
from typer.testing import CliRunner

from matscale.cli import app
from matscale.figures.folder import read_figures
from matscale.figures.items import LABELS, SCALES
from matscale.figures.synthetic import (
    boundaries,
    crystals,
    grains,
    micrograph,
    nanoparticle,
    precipitates,
    stress_strain,
    xrd,
)
from matscale.figures.synthetic.appearance import DIFFICULTIES, FONTS, draw_style
from matscale.figures.synthetic.build import build
from matscale.figures.synthetic.making import Asking, ask, make, streams
from matscale.figures.synthetic.question import Names, Numbers
from matscale.figures.synthetic.readers.bar import find_bar
from matscale.figures.synthetic.readers.registry import READERS, choose, read
from matscale.figures.synthetic.registry import QUESTIONS
from matscale.runtime.errors import UserError

SEED = 20
TEXTS = 4000
FALSE_ALARM = 1e-4
"""Chance with which one of the bounds below fails though nothing is wrong."""


# --- nothing in the text ------------------------------------------------------------------


@cache
def askings() -> list[Asking]:
    """Texts only: thousands of items without their figures."""
    return [ask(SEED, index) for index in range(TEXTS)]


def numbers_of(asking: Asking) -> np.ndarray:
    if isinstance(asking.question.answers, Numbers):
        return np.array([float(text.split()[0]) for text in asking.texts])
    return np.array([len(text) for text in asking.texts], float)


def trailing_zeros(asking: Asking) -> list[int]:
    digits = [text.split()[0].replace(".", "") for text in asking.texts]
    return [len(text) - len(text.rstrip("0")) for text in digits]


def medoid(asking: Asking) -> np.ndarray:
    """Nearness of each option to the three others, by the characters that they share."""
    from difflib import SequenceMatcher

    texts = asking.texts
    return np.array([sum(SequenceMatcher(None, a, b).ratio() for b in texts) for a in texts])


BLIND = {
    "first": lambda asking: [3, 2, 1, 0],
    "last": lambda asking: [0, 1, 2, 3],
    "longest": lambda asking: [len(text) for text in asking.texts],
    "shortest": lambda asking: [-len(text) for text in asking.texts],
    "largest": numbers_of,
    "smallest": lambda asking: -numbers_of(asking),
    "nearest to the mean": lambda asking: -np.abs(numbers_of(asking) - numbers_of(asking).mean()),
    "nearest to the median": lambda asking: (
        -np.abs(numbers_of(asking) - np.median(numbers_of(asking)))
    ),
    "farthest from the mean": lambda asking: np.abs(numbers_of(asking) - numbers_of(asking).mean()),
    "medoid of the text": medoid,
    "roundest": trailing_zeros,
    "most fives": lambda asking: [text.count("5") for text in asking.texts],
}


def hits(rule, asked: list[Asking]) -> int:
    """How often a rule is right, ties broken at random."""
    rng = np.random.default_rng(1)
    scores = [np.asarray(rule(asking), float) for asking in asked]
    picks = [rng.choice(np.flatnonzero(score == score.max())) for score in scores]
    return sum(int(pick) == asking.truth for pick, asking in zip(picks, asked, strict=True))


def bounds(trials: int) -> tuple[float, float]:
    return binom.ppf(FALSE_ALARM / 2, trials, 0.25), binom.isf(FALSE_ALARM / 2, trials, 0.25)


@pytest.mark.parametrize("rule", BLIND)
def test_no_rule_guesses_the_answer_from_the_text(rule):
    asked = askings()
    parts = [asked] + [[one for one in asked if one.question.scale == s] for s in SCALES]
    for part in parts:
        low, high = bounds(len(part))
        assert len(part) >= 1000
        assert low <= hits(BLIND[rule], part) <= high


def test_the_usual_prior_of_a_quantity_does_not_help():
    """Whoever knows all the other truths and picks the option nearest to their median."""
    asked = [one for one in askings() if isinstance(one.question.answers, Numbers)]
    truths = defaultdict(list)
    for one in asked:
        truths[one.question.name].append(math.log(numbers_of(one)[one.truth]))
    middle = {name: float(np.median(values)) for name, values in truths.items()}
    low, high = bounds(len(asked))

    def rule(asking: Asking) -> np.ndarray:
        return -np.abs(np.log(numbers_of(asking)) - middle[asking.question.name])

    assert low <= hits(rule, asked) <= high


def test_a_giveaway_would_be_found():
    asked = askings()
    leaking = [
        Asking(one.question, one.difficulty, one.caption, one.offered, one.texts,
               int(np.argsort(numbers_of(one))[1 + index % 2]))
        for index, one in enumerate(asked)
    ]  # fmt: skip
    assert hits(BLIND["nearest to the median"], leaking) > bounds(len(asked))[1]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.name)
def test_rank_of_the_truth_is_uniform(question):
    asked = [one for one in askings() if one.question is question]
    if isinstance(question.answers, Numbers):
        ranks = [int(np.argsort(np.argsort(numbers_of(one)))[one.truth]) for one in asked]
    else:
        ranks = [one.truth for one in asked]
    assert chisquare(np.bincount(ranks, minlength=4)).pvalue > FALSE_ALARM


def test_text_is_drawn_before_the_truth(monkeypatch):
    """With another stream for the truth alone, every word of the text is the same."""
    from matscale.figures.synthetic import making

    def other(seed, index):
        texts, _, drawing = streams(seed, index)
        return [texts, np.random.default_rng([99, index]), drawing]

    monkeypatch.setattr(making, "streams", other)
    changed = [ask(SEED, index) for index in range(200)]
    for before, after in zip(askings(), changed, strict=False):
        assert (before.texts, before.caption) == (after.texts, after.caption)
    pairs = zip(askings(), changed, strict=False)
    assert any(before.truth != after.truth for before, after in pairs)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.name)
def test_four_options_in_one_format(question, difficulty):
    rng = np.random.default_rng(3)
    for _ in range(20):
        offered = question.answers.offer(difficulty, rng)
        texts = question.answers.texts(offered)
        assert len(set(texts)) == 4
        if isinstance(question.answers, Names):
            continue
        written = [text.split()[0] for text in texts]
        assert len({len(text.partition(".")[2]) for text in written}) == 1
        assert [float(text) for text in written] == list(offered)
        gaps = np.diff(np.log(offered))
        step = math.log(question.answers.steps[difficulty])
        assert gaps == pytest.approx([step] * 3, abs=0.011)
        assert question.answers.low * 0.99 <= offered[0]
        assert offered[3] <= question.answers.high * 1.01


# --- the answer in the image --------------------------------------------------------------

PER_QUESTION = 5


@cache
def drawn() -> dict[str, list[tuple[Asking, np.ndarray, dict]]]:
    """Some figures of each question, decoded from their PNGs."""
    found = defaultdict(list)
    index = 0
    while any(len(found[question.name]) < PER_QUESTION for question in QUESTIONS):
        asking = ask(SEED, index)
        if len(found[asking.question.name]) < PER_QUESTION:
            items = make(index, seed=SEED, difficulty=None)
            pixels = np.asarray(Image.open(io.BytesIO(items[0][1])).convert("RGB"))
            found[asking.question.name].append((asking, pixels, items[0][0].parameters))
        index += 1
    return found


def test_every_question_has_a_reader():
    assert {question.name for question in QUESTIONS} == set(READERS)


def right(asking: Asking, pixels: np.ndarray) -> bool:
    return choose(read(asking.question.name, pixels), asking.offered) == asking.truth


@pytest.mark.parametrize("name", READERS)
def test_pixels_alone_give_the_answer(name):
    """Four of five by chance: 1.6 %, and not for each of the questions."""
    assert sum(right(asking, pixels) for asking, pixels, _ in drawn()[name]) >= PER_QUESTION - 1


def test_the_pixels_of_another_figure_do_not():
    """The readers know nothing but the figure: with a foreign one they guess."""
    trials = [
        right(asking, other[1])
        for rows in drawn().values()
        for (asking, _, _), other in zip(rows[:2], rows[1::-1], strict=True)
    ]
    assert sum(trials) <= binom.isf(1e-3, len(trials), 0.3)


def test_figures_show_what_was_asked_for():
    for rows in drawn().values():
        for asking, pixels, parameters in rows:
            wanted = asking.offered[asking.truth]
            if isinstance(wanted, str):
                assert parameters["value"] == wanted
            else:
                assert float(parameters["value"]) == pytest.approx(wanted, rel=0.012)
            assert pixels.shape[0] >= 300
            assert pixels.shape[1] >= 400


def test_scale_bars_are_exact():
    """To the pixel, and with the label that the item says."""
    checked = 0
    for rows in drawn().values():
        for _, pixels, parameters in rows:
            if "scale_bar" in parameters:
                bar = find_bar(pixels)
                assert bar.pixels == parameters["scale_bar_pixels"]
                assert micrograph.bar_text(bar.length, bar.unit) == parameters["scale_bar"]
                checked += 1
    assert checked > 60


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(400, 700), st.integers(0, 2**32 - 1))
def test_bars_are_round_and_fit(per_pixel, width, seed):
    bar = micrograph.choose_bar(per_pixel, "nm", width, np.random.default_rng(seed))
    mantissa = bar.length / 10 ** math.floor(math.log10(bar.length) + 1e-9)
    assert min(abs(mantissa - one) for one in (1, 2, 5)) < 1e-6
    assert 0.15 * width <= bar.pixels <= 0.41 * width
    assert bar.per_pixel == pytest.approx(per_pixel, rel=0.5 / bar.pixels + 1e-9)


# --- the physics, against closed forms ----------------------------------------------------


def test_reflections_follow_the_extinction_rules():
    """Face-centred: unmixed indices only; body-centred: even sums; diamond: no 200."""
    shortest = {
        ("fcc", (0, 0, 1)): 2, ("fcc", (0, 1, 1)): math.sqrt(3), ("fcc", (1, 1, 1)): math.sqrt(8),
        ("fcc", (1, 1, 2)): math.sqrt(3), ("bcc", (0, 0, 1)): math.sqrt(2),
        ("bcc", (1, 1, 1)): math.sqrt(2), ("diamond", (0, 0, 1)): math.sqrt(8),
        ("diamond", (0, 1, 1)): math.sqrt(3), ("perovskite", (0, 0, 1)): 1,
    }  # fmt: skip
    for (prototype, axis), expected in shortest.items():
        assert crystals.zone_reflections(prototype, axis, 2.0).shortest == pytest.approx(expected)


def test_peaks_obey_bragg():
    """2 d sin θ = λ for 111 of silicon; and strongest lines as in the powder files."""
    positions, heights = xrd.peaks_of(*xrd.PHASES["Si"])
    expected = 2 * math.degrees(math.asin(math.sqrt(3) * xrd.CU_K_ALPHA / (2 * 5.431)))
    assert positions[np.argmax(heights)] == pytest.approx(expected, abs=1e-3)
    known = {"Al": 38.5, "Cu": 43.3, "Fe": 44.7, "NaCl": 31.7, "MgO": 42.9, "CaF2": 47.0}
    for name, angle in known.items():
        positions, heights = xrd.peaks_of(*xrd.PHASES[name])
        assert positions[np.argmax(heights)] == pytest.approx(angle, abs=0.15)


def test_yield_strength_is_at_the_offset():
    strain = stress_strain.strain_at(np.array([300.0]), 70000.0, 300.0, 12.0)
    assert strain[0] - 300 / 70000 == pytest.approx(0.002)


def test_disorientation_of_known_pairs():
    turns = [([0, 0, 1], 90, 0), ([0, 0, 1], 40, 40), ([1, 1, 1], 60, 60), ([1, 1, 0], 180, 0)]
    for axis, angle, expected in turns:
        unit = np.array(axis) / np.linalg.norm(axis)
        pair = Rotation.from_rotvec([np.zeros(3), np.radians(angle) * unit])
        found = grains.disorientations(pair, np.array([[0, 1]]))
        assert found[0] == pytest.approx(expected, abs=1e-4)


def test_random_cubic_disorientations_are_mackenzies():
    """Mean 40.7°, none above 62.8° (Mackenzie, Biometrika 45, 1958)."""
    turns = grains.random_orientations(8000, np.random.default_rng(0))
    angles = grains.disorientations(turns, np.arange(8000).reshape(-1, 2))
    assert angles.max() <= 62.81
    assert angles.mean() == pytest.approx(40.7, abs=0.6)


def test_colour_key_has_pure_corners():
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1]])
    assert grains.pole_colours(corners) == pytest.approx(np.eye(3))


def test_intercept_of_stripes():
    """Stripes of 12 pixels across 120: 9 crossings in each of 60 rows, none in columns."""
    labels = np.repeat(np.arange(10), 12)[None].repeat(60, axis=0)
    assert grains.mean_intercept(labels) == pytest.approx(2 * 120 * 60 / (9 * 60))


def test_grains_fill_the_frame():
    field = grains.draw_grains(60, 300, 200, np.random.default_rng(4))
    assert set(np.unique(field.labels)) == set(range(60))
    assert field.segments.min() > -1e-6
    assert (field.segments <= np.array([300, 200]) + 1e-6).all()
    rng = np.random.default_rng(5)
    points = field.segments.mean(axis=1)
    inner = ((points > 3) & (points < [297, 197])).all(axis=1) & (field.lengths > 8)
    for (x, y), pair in zip(points[inner], field.pairs[inner], strict=True):
        near = field.labels[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
        assert set(pair) <= set(near.ravel())
    families, reached = boundaries.share_into_families(field, 0.4, rng)
    different = families[field.pairs[:, 0]] != families[field.pairs[:, 1]]
    assert reached == pytest.approx(field.lengths[different].sum() / field.lengths.sum())
    assert reached == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("prototype", nanoparticle.SHAPES)
@pytest.mark.parametrize("diameter", [20.0, 23.0, 50.0])
def test_a_nanoparticle_is_as_wide_as_it_says(prototype, diameter):
    """By the convex hull: its perimeter over pi is its mean width (Cauchy)."""
    for seed in range(5):
        ball = nanoparticle.carve_ball(prototype, diameter, np.random.default_rng(seed))
        perimeter = ConvexHull(ball[:, :2]).area  # what scipy calls the area is the length in 2D
        assert perimeter / math.pi + 2 * nanoparticle.ATOM_RADIUS == pytest.approx(
            diameter, rel=0.01
        )


def test_particles_do_not_touch_and_cover_their_area():
    rng = np.random.default_rng(6)
    style = draw_style("easy", rng)
    centres, shapes = precipitates.draw_field(0.2, 14, style, rng)
    assert pdist(centres).min() > 2 * shapes[:, 0].min()
    assert (centres - shapes[:, :1] > 0).all()
    field = precipitates.coverage(centres, shapes, style.width, style.height)
    assert field.sum() == pytest.approx(math.pi * (shapes[:, 0] * shapes[:, 1]).sum(), rel=0.005)


# --- whole sets ---------------------------------------------------------------------------


SIZE = 16


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures") / "set"
    build(folder, SIZE, seed=5, workers=1)
    return folder


def test_bytes_do_not_depend_on_workers(small, tmp_path):
    build(tmp_path / "again", SIZE, seed=5, workers=2)
    assert contents(small) == contents(tmp_path / "again")


def test_items_do_not_depend_on_the_size_of_the_set(small):
    alone = make(11, seed=5, difficulty=None)
    assert (small / "multi_scale_mcq/train/000011.png").read_bytes() == alone[0][1]
    other = make(11, seed=6, difficulty=None)
    assert other[0][1] != alone[0][1]


def test_the_loader_reads_it_back(small):
    reading = read_figures(small)
    assert not reading.refusals
    assert len(reading.of("mcq")) == len(reading.of("open")) == SIZE
    asked = [ask(5, index).question.answers for index in range(SIZE)]
    assert len(reading.of("numeric")) == sum(isinstance(one, Numbers) for one in asked)
    for figure in reading.of("mcq"):
        item = figure.item
        captions = [option.caption for option in item.options]
        start = len(item.options[0].caption.split(";")[0])
        assert len({caption[:start] for caption in captions}) == 1
        assert item.correct_answer in LABELS
        assert (item.generator, item.seed, item.source) != ("", None, "")
    by_file = {figure.item.file_name: figure for figure in reading.of("mcq")}
    for figure in reading.of("numeric"):
        item = figure.item
        choice = by_file[item.file_name].item
        said = choice.option(choice.correct_answer).caption
        assert item.unit in said
        assert item.unit in item.question
        assert item.truth is not None
        asking = ask(5, item.index)
        spoken = float(asking.offered[asking.truth])
        assert item.truth == pytest.approx(spoken, rel=0.012)
        assert item.image_caption in f"{said.split(';')[0]}."


def test_metadata_is_a_table_that_datasets_can_open(small):
    """Arrow's own reader of JSON lines, which `datasets` calls, finds one type a column."""
    for config in ("multi_scale", "multi_scale_mcq", "multi_scale_numeric"):
        folder = small / config / "train"
        table = pyarrow.json.read_json(folder / "metadata.jsonl")
        names = table.column("file_name").to_pylist()
        assert sorted(names) == sorted(path.name for path in folder.glob("*.png"))
        for text in table.column("parameters").to_pylist():
            assert isinstance(json.loads(text), dict)


def test_hugging_face_opens_it(small):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    folder = str(small / "multi_scale_mcq")
    opened = datasets.load_dataset("imagefolder", data_dir=folder, split="train")
    assert len(opened) == SIZE
    assert opened[0]["image"].size[0] >= 400


def test_command_line(tmp_path):
    out = tmp_path / "x"
    arguments = ["figures", "build", "--out", str(out), "--count", "4", "--difficulty", "hard"]
    done = CliRunner().invoke(app, [*arguments, "--workers", "1"])
    assert done.exit_code == 0, done.output
    reading = read_figures(out)
    assert {figure.item.difficulty for figure in reading.figures} == {3}
    assert {figure.item.scale for figure in reading.of("mcq")} == set(SCALES)
    with pytest.raises(UserError, match="already holds figures"):
        build(out, 4, workers=1)
    with pytest.raises(UserError, match="at least one figure"):
        build(tmp_path / "y", 0)


def test_looks_come_from_matplotlib_alone(small):
    import matplotlib.pyplot as plt

    from matscale.figures.synthetic.appearance import font_file

    assert not plt.get_fignums()
    assert all(font_file(name).is_file() for name in FONTS)


def test_a_users_matplotlibrc_changes_nothing(small):
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "black"}):
        again = make(3, seed=5, difficulty=None)[0][1]
        assert matplotlib.rcParams["font.size"] == 30
    assert (small / "multi_scale/train/000003.png").read_bytes() == again
