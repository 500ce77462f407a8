"""The long comparison with pymatgen: real pairs, verdict by verdict; part of bench/matching.py.

Pairs come in chunks; chunk k of a seed is always the same pairs, so a run can stop and go on. Each
chunk takes one data set, one way of drawing pairs and one setting; pymatgen reduces and compares
the crystals itself, from the same positions.
"""

import csv
import io
import json
import zipfile
from dataclasses import replace
from functools import cache

import numpy as np

from matscale.matching import batch
from matscale.matching.tolerances import STRUCTURE_PREDICTION, Tolerances
from matscale.structures import chemistry
from matscale.structures.table import StructureTable

CHUNK = 500
SIZE_LIMIT = 40
"""Sites of the largest crystals drawn: pymatgen takes seconds for a pair of larger ones."""

TIGHT, LOOSE = Tolerances(), STRUCTURE_PREDICTION


def _settings():
    direct = batch.MatchSettings
    yield "direct 0.2/0.3/5", direct(TIGHT)
    yield "direct 0.3/0.5/10", direct(LOOSE)
    yield "direct, scale off", direct(TIGHT, scale=False)
    yield "direct, cells as given", direct(TIGHT, scale=False, reduce=False, supercell=True)
    yield "direct, supercells", direct(LOOSE, primitive=False, supercell=True)
    yield "framework, supercells", direct(TIGHT, "framework", scale=False, supercell=True)
    yield "framework 0.3/0.5/10", direct(LOOSE, "framework")
    yield "anonymous 0.2/0.3/5", direct(TIGHT, "anonymous")
    yield (
        "framework, no primitive cells",
        direct(TIGHT, "framework", scale=False, primitive=False, supercell=True),
    )


SETTINGS = dict(_settings())

PLAN = (
    *(("carbon24", "same size", name) for name in SETTINGS if "as given" not in name),
    *(("carbon24", "same size", name) for name in list(SETTINGS)[:3]),
    *(("carbon24", "same size", name) for name in list(SETTINGS)[:3]),
    ("carbon24", "any", "direct, supercells"),
    ("carbon24 predictions", "by id", "direct 0.3/0.5/10"),
    ("carbon24 predictions", "by id", "direct 0.2/0.3/5"),
    *(("perov5", "same size", name) for name in list(SETTINGS)[5:8]),
    *(("perov5", "copies", name) for name in list(SETTINGS)[:3]),
    *(("supercon3d predictions", "by id", name) for name in list(SETTINGS)[:3]),
    *(("generated", "same composition", name) for name in list(SETTINGS)[:3]),
    *(("novelty", "same composition", name) for name in list(SETTINGS)[:5]),
    *(("novelty", "multiples", name) for name in list(SETTINGS)[5:6]),
    *(("novelty", "same size", name) for name in list(SETTINGS)[6:8]),
    *(("crystals", "copies", name) for name in list(SETTINGS)[:5]),
    *(("carbon24", "copies", name) for name in list(SETTINGS)[:5]),
    *(
        (data, how, "framework, no primitive cells")
        for data in ("perov5", "generated", "novelty", "crystals")
        for how in ("same size", "multiples")
    ),
)


def _csv(path):
    from pymatgen.io.vasp import Poscar

    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(archive.namelist()[0]))))
    sides = {"target": [], "prediction": []}
    for row in rows:
        try:
            pair = {
                side: Poscar.from_str(row[side].replace("\\n", "\n")).structure for side in sides
            }
        except (ValueError, IndexError, KeyError):
            continue
        for side, structure in pair.items():
            sides[side].append(structure)
    tables = [StructureTable.from_pymatgen(side) for side in sides.values()]
    return StructureTable.concatenate(tables)


@cache
def table_of(data, folder):
    """All crystals of a data set; for predictions, the targets and then the predictions."""
    from matscale.structures.formats import read

    if data == "carbon24 predictions":
        return _csv(folder / "carbon24/atomgpt.csv.zip")
    if data == "supercon3d predictions":
        parts = [_csv(folder / f"supercon3d/{name}.csv.zip") for name in ("atomgpt", "cdvae")]
        halves = [part[: len(part) // 2] for part in parts] + [p[len(p) // 2 :] for p in parts]
        return StructureTable.concatenate(halves)
    paths = {
        "carbon24": ["carbon24/structures.json.zip"],
        "perov5": ["perov5/structures.json.zip"],
        "generated": ["generated/mattergen_release.cif.zip"],
        "novelty": ["novelty/train.jsonl.gz", "novelty/generated.jsonl.gz"],
        "crystals": ["crystals/mp_2474.cif.zip", "crystals/jarvis_2501.cif.zip"],
    }[data]
    table = StructureTable.concatenate([read(folder / path, workers=1).table for path in paths])
    return table[table.n_atoms <= SIZE_LIMIT]


def copy_of(table, row, rng):
    """A rattled, strained, re-oriented, translated, permuted copy or supercell of a crystal."""
    structure = table.to_pymatgen(int(row))
    if len(structure) <= 12 and rng.random() < 0.4:
        matrix = np.eye(3, dtype=int)
        matrix[np.diag_indices(3)] = rng.permutation([1, 1, rng.integers(1, 4)])
        matrix[0, 1] = rng.integers(-1, 2)
        structure.make_supercell(matrix)
    cell = structure.lattice.matrix @ (np.eye(3) + rng.normal(size=(3, 3)) * rng.choice([0, 0.02]))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(len(structure))
    rattle = rng.normal(size=(len(structure), 3)) * rng.choice([0, 1e-4, 0.05, 0.2])
    positions = structure.frac_coords @ cell + rattle + rng.normal(size=3)
    return np.array(structure.atomic_numbers)[order], (positions @ rotation)[order], cell @ rotation


def _partners(table, rng, how):
    """Rows of pairs, (CHUNK, 2)."""
    key = {
        "same size": lambda row: table.n_atoms[row],
        "same composition": lambda row: chemistry.reduced(
            chemistry.composition(table.row_numbers(row))
        ),
    }[how]
    rows = {}
    for row in range(len(table)):
        rows.setdefault(key(row), []).append(row)
    groups = [group for group in rows.values() if len(group) > 1]
    weights = np.array([len(group) * (len(group) - 1) for group in groups], float)
    chosen = rng.choice(len(groups), CHUNK, p=weights / weights.sum())
    return np.array([rng.choice(groups[place], 2, replace=False) for place in chosen])


def draw(table, how, rng):
    """Two tables and the rows of pairs among them."""
    if how == "copies":
        rows = rng.integers(len(table), size=CHUNK)
        parts = list(zip(*(copy_of(table, row, rng) for row in rows), strict=True))
        copies = StructureTable.from_parts([str(row) for row in rows], *parts)
        return table[rows], copies, np.repeat(np.arange(CHUNK)[:, None], 2, axis=1)
    if how == "by id":
        half = len(table) // 2
        rows = rng.integers(half, size=CHUNK)
        return table[rows], table[rows + half], np.repeat(np.arange(CHUNK)[:, None], 2, axis=1)
    if how == "any":
        pairs = rng.integers(len(table), size=(CHUNK, 2))
    elif how == "multiples":
        pairs = rng.integers(len(table), size=(CHUNK * 20, 2))
        n = np.sort(table.n_atoms[pairs], axis=1)
        pairs = pairs[n[:, 1] % n[:, 0] == 0][:CHUNK]
    else:
        pairs = _partners(table, rng, how)
    rows, places = np.unique(pairs, return_inverse=True)
    return table[rows], table[rows], places.reshape(-1, 2)


def pymatgen_answers(first, second, pairs, settings):
    """Verdicts and rms of pymatgen, NaN without a match: its methods, on crystals reduced once.

    Only ``fit`` can skip the reduction in public, so the two private steps that all its methods
    consist of are called here, and nowhere else.
    """
    from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher

    t = settings.tolerances
    matcher = StructureMatcher(
        t.length,
        t.site,
        t.angle,
        primitive_cell=settings.primitive,
        scale=settings.scale,
        attempt_supercell=settings.supercell,
        comparator=FrameworkComparator() if settings.mode == "framework" else None,
    )
    reduced = {}

    def ready(side, table, row):
        if (side, row) not in reduced:
            structure = table.to_pymatgen(int(row))
            if settings.reduce:
                structure = matcher._get_reduced_structure(structure, settings.primitive)
            reduced[side, row] = structure
        return reduced[side, row]

    use_rms = settings.criterion == "rms"
    answers = np.full(len(pairs), np.nan)
    for place, (i, j) in enumerate(pairs):
        a, b = ready(0, first, i), ready(1, second, j)
        a, b, fu, base_is_1 = matcher._preprocess(a, b, skip_structure_reduction=True)
        if settings.mode == "anonymous":
            matches = matcher._anonymous_match(
                a, b, fu, base_is_1, use_rms=use_rms, break_on_match=settings.keep_first
            )
            found = min((match for _, match in matches), key=lambda m: m[0]) if matches else None
        else:
            found = matcher._match(
                a, b, fu, base_is_1, use_rms=use_rms, break_on_match=settings.keep_first
            )
        if found is not None:
            answers[place] = found[0]
    return answers


def compare_chunk(number, seed, folder):
    """One chunk: its name, pairs, matches, verdict differences, largest difference of the value."""
    data, how, name = PLAN[number % len(PLAN)]
    rng = np.random.default_rng([seed, number])
    first, second, pairs = draw(table_of(data, folder), how, rng)
    criterion = ("rms", "largest")[(number // len(PLAN)) % 2]
    settings = replace(SETTINGS[name], criterion=criterion)
    ours = batch.match_pairs(first, second, pairs, settings)
    theirs = pymatgen_answers(first, second, pairs, settings)
    values = ours.rms if criterion == "rms" else ours.largest
    both = ours.matched & np.isfinite(theirs)
    wrong = np.flatnonzero(ours.matched != np.isfinite(theirs))
    gap = np.abs(values - theirs)
    return {
        "what": f"{data}, {how}; {name}",
        "pairs": len(pairs),
        "matched": int(np.isfinite(theirs).sum()),
        "differences": len(wrong),
        "rms_beyond_1e-6": int((gap[both] > 1e-6).sum()),
        "largest_gap": float(gap[both].max(initial=0)),
        "refused": ours.counts.refused,
        "examples": [[number, int(place)] for place in wrong[:5]]
        + [[number, int(place)] for place in np.flatnonzero(both & (gap > 1e-6))[:5]],
    }


def run(wanted, seed, folder, path):
    """Compare chunks until ``wanted`` pairs are done; the state is kept in ``path``."""
    state = json.loads(path.read_text()) if path.exists() else {"seed": seed, "chunks": {}}
    if state["seed"] != seed:
        raise SystemExit(f"{path} was made with seed {state['seed']}")
    number = 0
    while sum(chunk["pairs"] for chunk in state["chunks"].values()) < wanted:
        if str(number) not in state["chunks"]:
            state["chunks"][str(number)] = compare_chunk(number, seed, folder)
            path.write_text(json.dumps(state))
            chunk = state["chunks"][str(number)]
            print(number, chunk["what"], *list(chunk.values())[1:6], chunk["examples"], flush=True)
        number += 1
    rows = {}
    for chunk in state["chunks"].values():
        row = rows.setdefault(chunk["what"], [0, 0, 0, 0, 0.0])
        for place, key in enumerate(("pairs", "matched", "differences", "rms_beyond_1e-6")):
            row[place] += chunk[key]
        row[4] = max(row[4], chunk["largest_gap"])
    return rows
