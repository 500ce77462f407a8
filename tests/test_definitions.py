"""The page of definitions: matscale gives the value that is worked out by hand for each metric."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from figure_samples import CAPTIONS, choice, number_of, opened
from matscale.api import score
from matscale.figures.items import LABELS, Figure
from matscale.metrics.particles import paired, published, sound
from matscale.structures.formats import write
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.measures import Compared, metrics
from matscale.tasks.novelty.samples import unread_samples
from matscale.tasks.particles.particle_to_crystal import measuring as cells
from matscale.tasks.perception import measures, rows
from matscale.tasks.task import TASKS
from particle_tasks import small_set

PAGE = Path(__file__).parent.parent / "docs" / "definitions.md"
SUM = r"(?:[^:]*: )?([-+−·/() \d.³]+)(?: Å³?| 1/Å| eV/atom)?"
"""What :func:`eval` can work out: perhaps words before a colon, numbers, perhaps a unit."""
PARAMETERS = ("a", "b", "c", "alpha", "beta", "gamma")


def worked() -> dict[str, dict[str, str]]:
    """What the page says: by heading or bold words, the value of each metric as written."""
    found: dict[str, dict[str, str]] = {}
    part = section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            part = section = line[3:]
        elif line.startswith("**"):
            section = f"{part}: {line[2:].split('**')[0].strip('.')}"
        elif row := re.match(r"\| `(\w+)` \|.*= (-?[\d.]+) \|$", line):
            found.setdefault(section, {})[row[1]] = row[2]
    return found


def test_values_follow_from_what_stands_before_them():
    """Arithmetic that is written in plain signs gives the number behind the last "="."""
    checked = 0
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| `\w+` \|.*\| (.*) = (-?[\d.]+) \|$", line)
        sum_of = row and re.fullmatch(SUM, row[1])
        if sum_of and re.search(r"\d", sum_of[1]):
            plain = sum_of[1].translate(str.maketrans("−·", "-*")).replace("³", "**3")
            assert eval(plain) == pytest.approx(float(row[2]), abs=unit_of(row[2])), line
            checked += 1
    assert checked > 50


def unit_of(written: str) -> float:
    """Half a unit of the last digit that is written, and a little for rounding."""
    return 0.5000001 * 10.0 ** -len(written.partition(".")[2]) if "." in written else 1e-6


def check(section: str, values: dict[str, float], *, whole: bool = True) -> None:
    """Values are those of the page, and with ``whole`` none is missing on either side."""
    page = worked()[section]
    if whole:
        assert {family(name) for name in values} == {family(name) for name in page}, section
    for name, written in page.items():
        assert values[name] == pytest.approx(float(written), abs=unit_of(written)), name


def family(name: str) -> str:
    """Lengths and angles are one example each: ``mae_b`` as ``mae_a``; and any best of k is."""
    name = re.sub(r"_at_\d+$", "_at_k", name)
    head, _, last = name.rpartition("_")
    if head in ("mae", "kld", "wasserstein", "histogram_kl") and last in PARAMETERS:
        return f"{head}_{'a' if last in PARAMETERS[:3] else 'alpha'}"
    return name


def values_of(result) -> dict[str, float]:
    return {name: one.value for name, one in result.metrics.items()}


# --- reconstruction -------------------------------------------------------------------------


def cesium_chloride(first: str, second: str, a: float, moved: float = 0.0) -> Structure:
    places = [[0, 0, 0], [0.5, 0.5, 0.5 + moved / a]]
    return Structure(Lattice.cubic(a), [first, second], places)


def reconstructed(folder, targets, answers):
    write(StructureTable.from_pymatgen(targets, list("abcd")[: len(targets)]), folder / "t.parquet")
    write(StructureTable.from_pymatgen(answers, list("abcd")[: len(answers)]), folder / "m.parquet")
    return score("reconstruction", folder / "m.parquet", targets=folder / "t.parquet", workers=1)


def test_reconstruction(tmp_path):
    targets = [
        cesium_chloride("Cs", "Cl", 4.0),
        cesium_chloride("Cs", "Br", 5.0),
        cesium_chloride("Cs", "I", 4.5),
        cesium_chloride("Cs", "Cl", 4.2),
    ]
    answers = [
        cesium_chloride("Cs", "Cl", 4.0),
        cesium_chloride("Cs", "Br", 5.5),
        cesium_chloride("Rb", "I", 4.5),
    ]
    card = reconstructed(tmp_path, targets, answers)
    for protocol in ("sound", "published"):
        check(f"Reconstruction, {protocol}", values_of(card[f"m.{protocol}"]))


def test_a_match_that_is_not_exact(tmp_path):
    exact, moved = cesium_chloride("Cs", "Cl", 4.0), cesium_chloride("Cs", "Cl", 4.0, moved=0.4)
    card = reconstructed(tmp_path, [exact], [moved])
    for protocol in ("sound", "published"):
        section = f"Reconstruction, {protocol}: A match that is not exact"
        check(section, values_of(card[f"m.{protocol}"]), whole=False)


def test_several_candidates(tmp_path):
    ids = list("aabbcc")
    candidates = [
        cesium_chloride("Cs", "Cl", 4.0, moved=0.4),
        cesium_chloride("Cs", "Cl", 4.0),
        cesium_chloride("Rb", "Br", 5.0),
        cesium_chloride("Cs", "Br", 5.5),
        cesium_chloride("Cs", "I", 4.5),
        cesium_chloride("Cs", "Br", 5.0),
    ]
    targets = [
        cesium_chloride("Cs", "Cl", 4.0),
        cesium_chloride("Cs", "Br", 5.0),
        cesium_chloride("Cs", "Cl", 4.2),
    ]
    write(StructureTable.from_pymatgen(candidates, ids), tmp_path / "m.parquet")
    asked = StructureTable.from_pymatgen(targets, list("abc"))
    card = score("reconstruction", tmp_path / "m.parquet", targets=asked, workers=1)
    section = "Reconstruction, sound: Several candidates"
    check(section, values_of(card["m.sound"]), whole=False)


# --- novelty --------------------------------------------------------------------------------


def submitted(count: int):
    """So many items of which nothing is known yet."""
    table = StructureTable.from_pymatgen([cesium_chloride("Cs", "Cl", 4.0)] * count)
    return unread_samples(Reading(table, np.arange(count)))


def test_novelty():
    ten, held_out = submitted(10), submitted(20)
    held_out.classes[:] = ["duplicate"] + ["unmatched"] * 19
    ten.classes[:] = (
        ["duplicate"] * 2 + ["substituted"] * 4 + ["unmatched"] * 2 + ["invalid", "failed"]
    )
    ten.kind[2:6] = ["both", "both", "anonymous", "wyckoff"]
    ten.unique[[0, 2, 3, 4, 6, 7]] = True
    ten.valid[:8] = True
    ten.balanced["cdvae"][:6] = True
    ten.balanced["paper"][:5] = True
    ten.prototype[:8] = list("PPPQQQXY")
    ten.prototype_known[:8] = [1, 1, 1, 1, 1, 1, 0, 0]
    ten.amd_distance[:8] = [0, 0, 0.1, 0.1, 0.2, 0.2, 0.7, 0.3]
    ten.element_distance[:8] = [0, 0, 2, 3, 3, 4, 5, 7]
    ten.relaxation[:7] = "converged"
    ten.energy_above_hull[:8] = [0, 0, 0, 0.05, 0.2, 0.05, -0.01, -0.3]
    ten.stability_known[:8] = [1, 1, 1, 1, 1, 1, 1, 0]
    compared = Compared(held_out, frozenset("PQRS"), True, 0)
    found = metrics(ten, "sound", compared)
    check("Novelty, sound", {name: one.value for name, one in found.items()})
    assert set(metrics(ten, "published", compared)) <= set(found)


# --- particles ------------------------------------------------------------------------------

CORNERS = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T


def test_crystal_to_particle_published():
    values = published(1.5 * CORNERS, CORNERS, 2.0).values | paired(1.5 * CORNERS, CORNERS).values
    values.pop("coordination_correlation")  # of eight atoms alike there is none
    check("Crystal to particle, published", values)
    rows_ = [np.array([[x, 0.0, 0.0] for x in line]) for line in ((0, 2.5, 6), (0, 2.5, 5))]
    check("Crystal to particle, published: Neighbours", paired(*rows_).values, whole=False)


def test_crystal_to_particle_sound():
    copper = np.full(8, 29)
    check("Crystal to particle, sound", sound(copper, 1.5 * CORNERS, copper, CORNERS, 2.0).values)
    less = np.array([79, *copper[:6]])
    found = sound(less, CORNERS[:7], copper, CORNERS, 2.0).values
    check(
        "Crystal to particle, sound: One atom missing, one of another element", found, whole=False
    )


class Thirds:
    """Of three particles one as it is, one too large, one not at all."""

    name = "thirds"
    told = ("numbers", "fractional", "lattice", "radius")

    def predict(self, told, candidates=1, seed=0):
        return [self.answer(k, one) for k, one in enumerate(told)]

    def answer(self, k, one):
        if k % 3 == 2:
            return None
        crystal = Structure(one["lattice"], one["numbers"], one["fractional"])
        sites = crystal.get_sites_in_sphere([0, 0, 0], float(one["radius"]))
        positions = np.array([site.coords for site in sites]) * (1 if k % 3 == 0 else 1.5)
        return np.array([site.specie.Z for site in sites]), positions


def test_rates_of_particles():
    card = score(
        "crystal-to-particle",
        Thirds(),
        data=small_set("perov-h3", 3),
        limit=1,
        protocol="sound",
        workers=1,
    )
    assert card["thirds"].counts.submitted == 6
    check("Crystal to particle, sound: Rates", values_of(card["thirds"]), whole=False)


def test_particle_to_crystal():
    places = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    crystal = Structure(Lattice.cubic(4.0), ["Cs", "Ca", "H", "H", "H"], places)
    targets = cells.targets_of(StructureTable.from_pymatgen([crystal]))
    answers = [
        cells.check((np.array([a, a, a, angle, angle, angle], float), group))
        for a, angle, group in ((4.04, 90, 221), (4.4, 90, 221), (4, 90, 225), (0, 0, 0))
    ]
    each = [cells.sound_scores(answer, targets, 0) for answer in answers]
    rates = ("lattice_match", "space_group_accuracy", "crystal_system_accuracy", "joint_rate")
    values = {name: np.mean([one.get(name, 0.0) for one in each]) for name in rates}
    for name in ("length_mae", "angle_mae", "volume_error"):
        values[name] = np.mean([one[name] for one in each if one])
    values["coverage"] = np.mean([bool(one) for one in each])
    check("Particle to crystal, sound", values)

    right, groups = np.array([1.0, 1, 0, 0]), np.array([221, 221, 221, 225])
    balanced = cells.balanced(right, groups).metric(np.ones(4))
    section = "Particle to crystal, sound: Balanced"
    check(section, {"space_group_balanced": float(balanced)}, whole=False)

    each = [cells.published_scores(answer, targets, 0) for answer in answers]
    values = {name: np.mean([one[name] for one in each]) for name in each[0]}
    values["rmse"] = np.sqrt(np.mean([one["rmse"] ** 2 for one in each]))
    check("Particle to crystal, published", values)


# --- perception -----------------------------------------------------------------------------


def asked(item, kind: str) -> Figure:
    return Figure(f"{kind}/{item.file_name}", item, kind)


def picked(number: int, *captions: str) -> rows.Row:
    """A figure of multiple choice, and the captions that are picked in each order."""
    item = choice(number)
    label = {option.caption: option.label for option in item.options} | {"": ""}
    picks = tuple(label[caption] for caption in captions)
    share = np.array([picks.count(one) for one in LABELS]) / len(picks)
    replied = any(picks)
    return rows.Row(
        asked(item, "mcq"),
        picked=share,
        picks=picks,
        unanswered=0.0 if replied else 1.0,
        replied=replied,
        reason="" if replied else "timeout",
    )


def test_perception():
    right, other = CAPTIONS[0], CAPTIONS[2]
    numbers = [asked(number_of(k, truth=10.0), "numeric") for k in range(3)]
    table = [
        picked(0, right, right),
        picked(1, right, other),
        picked(2, other, other),
        picked(3, "", ""),
        rows.Row(numbers[0], value=10.9, replied=True),
        rows.Row(numbers[1], value=14.0, replied=True),
        rows.Row(numbers[2], unparsable=1.0, replied=True),
        rows.Row(
            asked(opened(0), "open"),
            text="words",
            replied=True,
            judged=tuple(rows.Judged(score) for score in (6.0, 7.0, 8.0)),
        ),
    ]
    found = measures.metrics(table, "sound", 0)
    check("Perception", {name: one.value for name, one in found.items()})
    (group,) = (
        one
        for one in measures.groups(table, "sound", 0)
        if (one.by, one.group) == (measures.DISTRACTORS, "element")
    )
    values = {name: one.value for name, one in group.metrics.items()}
    check("Perception: By what the wrong caption changes", values)


def test_every_metric_that_tasks_describe_is_on_the_page():
    described = {
        name
        for module in TASKS.values()
        for specs in import_module(f"{module}.specs").SPECS.values()
        for name in specs
    }
    named = {family(name) for section in worked().values() for name in section}
    assert {family(name) for name in described} == named
