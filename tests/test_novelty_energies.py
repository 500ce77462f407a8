"""The novelty task with energies: relaxation, the hull, stability."""

import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscale.structures.formats import write
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.measures import Compared, metrics
from matscale.tasks.novelty.samples import unread_samples
from novelty_runs import score

FACES = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def alloys() -> StructureTable:
    """Metals that ASE's EMT knows, near their lattice constants."""
    cubic = [
        Structure(
            Lattice.cubic(a), [x] * 4, [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
        )
        for x, a in (("Cu", 3.61), ("Au", 4.08), ("Ag", 4.09))
    ]
    ordered = Structure(
        Lattice.cubic(3.75),
        ["Au", "Cu", "Cu", "Cu"],
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )
    return StructureTable.from_pymatgen([*cubic, ordered], ["Cu", "Au", "Ag", "AuCu3"])


def test_energies_hull_and_sun(tmp_path):
    write(alloys(), tmp_path / "train.parquet")
    swapped = alloys()[[3]].to_pymatgen(0)
    swapped.replace_species({"Au": "Ag"})
    swapped.scale_lattice(swapped.volume * 1.05)
    copy = alloys()[[3]].to_pymatgen(0)
    copy.scale_lattice(copy.volume * 1.1)
    stretched = Structure(Lattice.cubic(3.2), ["Cu", "Pt"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    card, rows = score(
        [swapped, copy, stretched],
        tmp_path / "train.parquet",
        ["swapped", "copy", "new"],
        relax="ase.calculators.emt:EMT",
    )
    assert rows["copy"]["class"] == "duplicate" and rows["copy"]["relaxation"] == "converged"
    assert rows["copy"]["energy_above_hull"] == pytest.approx(0, abs=2e-3)
    assert rows["swapped"]["class"] == "substituted" and rows["swapped"]["swaps"] == "Au>Ag"
    assert rows["new"]["energy_above_hull"] is not None
    metrics = card["model"].metrics
    for name in ("converged", "stable", "metastable", "sun", "metastable_sun"):
        assert 0 <= metrics[name].value <= 1 and metrics[name].n == 3
    assert metrics["metastable_sun"].value <= metrics["metastable"].value
    settings = card["model"].settings
    assert "EMT" in settings["potential"] and "training crystals" in settings["hull"]
    assert "Pt (fcc)" in " ".join(card["model"].notes)


def test_nothing_is_stable_against_elements_alone(tmp_path):
    """Known only under the sound protocol: whether the hull holds a compound to compete with."""
    write(alloys(), tmp_path / "train.parquet")
    entries = [
        {"composition": {name: 1}, "energy": 9.0, "entry_id": name} for name in ("Cu", "Au", "Ag")
    ]
    entries.append({"composition": {"Au": 1, "Cu": 1}, "energy": 20.0, "entry_id": "AuCu"})
    (tmp_path / "hull.json").write_text(json.dumps(entries))
    swapped = alloys()[[3]].to_pymatgen(0)
    swapped.replace_species({"Au": "Ag"})
    card, rows = score(
        [*alloys()[[2, 3]].iter_pymatgen(), swapped],
        tmp_path / "train.parquet",
        ["Ag", "AuCu3", "AgCu3"],
        relax="ase.calculators.emt:EMT",
        relaxed=True,
        hull=tmp_path / "hull.json",
    )
    assert all(row["energy_above_hull"] < 0 for row in rows.values())
    known = {name: row["stability_known"] for name, row in rows.items()}
    assert known == {"Ag": True, "AuCu3": True, "AgCu3": False}
    sound, published = card["model.sound"], card["model.published"]
    assert sound.headline == "sun" and sound.metrics["stable"].value == pytest.approx(2 / 3)
    assert sound.metrics["metastable"].value == pytest.approx(2 / 3)
    assert sound.metrics["stability_unknown"].value == pytest.approx(1 / 3)
    assert published.metrics["stable"].value == 1
    assert any("Stability is not known for 1 crystals of model" in note for note in sound.notes)
    assert any("Cu-Ag (1)" in note for note in sound.notes)


def test_rounding_does_not_decide_stability():
    samples = unread_samples(Reading(alloys(), np.arange(4)))
    samples.energy_above_hull[:] = [2.55e-15, -0.1, 2e-6, np.nan]
    samples.stability_known[:] = [1, 1, 1, np.nan]
    compared = Compared(None, frozenset(), True, 0)
    found = metrics(samples, "sound", compared)
    assert found["stable"].value == 0.5 and found["metastable"].value == 0.75


def test_missing_terminal_elements_are_named(tmp_path):
    write(alloys(), tmp_path / "train.parquet")
    entries = [{"composition": {"Cu": 1}, "energy": 0.0}, {"composition": {"Au": 1}, "energy": 0.0}]
    (tmp_path / "hull.json").write_text(json.dumps(entries))
    card, rows = score(
        alloys()[[2, 3]],
        tmp_path / "train.parquet",
        relax="ase.calculators.emt:EMT",
        relaxed=True,
        hull=tmp_path / "hull.json",
    )
    assert rows["Ag"]["energy_above_hull"] is None and rows["Ag"]["relaxation"] == "as given"
    assert rows["AuCu3"]["energy_above_hull"] is not None
    notes = " ".join(card["model"].notes)
    assert "no reference: Ag (1)" in notes and "taken as relaxed" in notes
    assert card["model"].metrics["stable"].n == 2
