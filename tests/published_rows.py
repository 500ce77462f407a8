"""Twenty rows of targets and predictions, made here, and AtomBench's metrics of them.

The metrics are written down once more after the paper (arXiv:2510.16165) and its public package,
with pymatgen, scipy, numpy and average-minimum-distance alone: nothing of matscale.
"""

from collections import defaultdict
from pathlib import Path

import amd
import numpy as np
import pandas as pd
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.stats import entropy

from crystals import described_otherwise, perovskite, rock_salt, rutile, wurtzite

UNREADABLE = 19
"""The row whose prediction is no structure."""
SMALLEST_SYSTEM = 10


def rows() -> list[tuple[str, str, str]]:
    """Id, target and prediction as POSCAR: near, far, another cell, another compound, none."""
    salts = [("Na", "Cl"), ("Mg", "O"), ("Ca", "S"), ("K", "Br"), ("Li", "F"), ("Ni", "O")]
    cubes = [("Sr", "Ti", "O"), ("Ba", "Ti", "O"), ("La", "Al", "O"), ("K", "Ta", "O")]
    tall = [("Ti", "O"), ("Sn", "O"), ("Pb", "O"), ("Mg", "F"), ("V", "O")]
    hexagonal = [("Zn", "O"), ("Zn", "S"), ("Al", "N"), ("Ga", "N"), ("Cd", "S")]
    targets = [
        *(rock_salt(4.1 + 0.3 * k, *pair) for k, pair in enumerate(salts)),
        *(perovskite(3.8 + 0.1 * k, *three) for k, three in enumerate(cubes)),
        *(rutile(4.4 + 0.1 * k, 2.9 + 0.07 * k, *pair) for k, pair in enumerate(tall)),
        *(wurtzite(3.1 + 0.2 * k, 5.0 + 0.3 * k, *pair) for k, pair in enumerate(hexagonal)),
    ]
    return [
        (f"row-{k}", poscar(target), "" if k == UNREADABLE else poscar(predicted(target, k)))
        for k, target in enumerate(targets)
    ]


def poscar(structure: Structure) -> str:
    return Poscar(structure.get_sorted_structure()).get_str(significant_figures=10)


def predicted(target: Structure, seed: int) -> Structure:
    """An answer: five kinds of mistakes in turn."""
    rng = np.random.default_rng(seed)
    kind = seed % 5
    if kind == 0:
        return described_otherwise(target, seed)
    if kind == 4:
        return Structure(
            Lattice.from_parameters(*rng.uniform(3, 6, 3), *rng.uniform(75, 105, 3)),
            target.species,
            rng.random((len(target), 3)),
        )
    answer = target.copy()
    answer.apply_strain(rng.uniform(-0.08, 0.08, 3))
    for site in range(len(answer)):
        answer.translate_sites([site], 0.05 * kind * direction(rng), frac_coords=False)
    if kind == 3:
        answer.replace_species({target.species[0]: "Sc"})
    return answer


def direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def write(path: Path) -> Path:
    table = pd.DataFrame(rows(), columns=["id", "target", "prediction"])
    table.to_csv(path, index=False)
    return path


def reference() -> dict:
    """AtomBench's metrics of the rows that are read, under matscale's names of them."""
    cells, systems, rms, edges, distances = [], [], [], [], []
    matcher = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    for _, target_text, predicted_text in rows():
        if not predicted_text:
            continue
        target, answer = (canonical(text) for text in (target_text, predicted_text))
        cells.append([target.lattice.parameters, answer.lattice.parameters])
        analyzer = SpacegroupAnalyzer(Structure.from_str(target_text, "poscar"), symprec=0.1)
        standard = SpacegroupAnalyzer(analyzer.get_conventional_standard_structure(), symprec=0.1)
        systems.append(standard.get_crystal_system())
        found = matcher.get_rms_dist(answer, target)
        rms.append(np.nan if found is None else found[0])
        edges.append(target.volume ** (1 / 3))
        first, second = (
            amd.AMD(amd.periodicset_from_pymatgen_structure(crystal), 100)
            for crystal in (target, answer)
        )
        distances.append(np.abs(first - second).max())
    true, given = np.array(cells).swapaxes(0, 1)
    rms = np.array(rms)
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    errors = np.abs(true - given)
    by_system = defaultdict(list)
    for system, error in zip(systems, errors, strict=True):
        by_system[system].append(error)
    return {
        "n": len(rms),
        "matched": int(np.isfinite(rms).sum()),
        "metrics": {
            "match_rate": np.isfinite(rms).mean(),
            "rms": np.nanmean(rms),
            "rms_normalised": np.nanmean(rms / edges),
            "ccrmsd": np.sqrt(np.mean(np.square(distances))),
            **{f"mae_{name}": errors[:, k].mean() for k, name in enumerate(names)},
            **{f"kld_{name}": entropy(true[:, k], given[:, k]) for k, name in enumerate(names)},
        },
        "systems": {
            system: {f"mae_{name}": np.mean(part, axis=0)[k] for k, name in enumerate(names)}
            for system, part in by_system.items()
            if len(part) >= SMALLEST_SYSTEM
        },
    }


def canonical(text: str) -> Structure:
    primitive = Structure.from_str(text, "poscar").get_primitive_structure()
    return primitive.get_reduced_structure(reduction_algo="niggli")
