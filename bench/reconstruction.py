"""Scoring AtomGPT's 2,030 predictions for Carbon-24: stage by stage, now and as it was before.

Usage: python bench/reconstruction.py [--rows 150]

One core, in one run; the data folder is $MATSCALE_DATA, else ../shared/data. "Before" is what
matscale did without kernels, written out below: pymatgen's cells, StructureMatcher and
SpacegroupAnalyzer, the two invariants one after the other, and every interval with resamples of
its own. Where that takes long it is timed on every k-th row and multiplied. The answers of both
must agree, else the run fails. Prints a table and writes JSON beside this file. Compilation is not
timed.
"""

import argparse
import json
import os
import platform
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

HERE = Path(__file__).resolve().parent

import numpy as np  # noqa: E402 - after the threads are set


def data_folder():
    return Path(os.environ.get("MATSCALE_DATA", HERE.parent.parent / "shared/data")).resolve()


def timed(function, *arguments):
    """Seconds of processor time, which others on the machine touch least, and the answer."""
    start = time.process_time()
    answer = function(*arguments)
    return time.process_time() - start, answer


def agree(what, now, before, tolerance=1e-9):
    """Fail unless numbers are equal; NaN equals NaN."""
    now, before = np.asarray(now, float), np.asarray(before, float)
    if not np.allclose(now, before, rtol=tolerance, atol=tolerance, equal_nan=True):
        raise SystemExit(f"{what}: {np.nanmax(np.abs(now - before))} apart from before")


# --- as it was before ------------------------------------------------------------------------


def cells_before(table):
    from matscale.structures import cells
    from matscale.structures.table import StructureTable

    found = [cells.canonical_cell(structure) for structure in table.iter_pymatgen()]
    return StructureTable.from_pymatgen(found)


def invariants_before(table):
    import amd

    from matscale.metrics.sites import NEIGHBOURS

    crystals = [
        amd.PeriodicSet(table.row_positions(row), table.lattices[row]) for row in range(len(table))
    ]
    return (
        [amd.AMD(crystal, NEIGHBOURS) for crystal in crystals],
        [amd.PDD(crystal, NEIGHBOURS) for crystal in crystals],
    )


def rms_before(targets, predictions, pairs):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    matcher = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    answers = []
    for target, predicted in pairs:
        found = matcher.get_rms_dist(
            predictions.to_pymatgen(predicted), targets.to_pymatgen(target)
        )
        answers.append(np.nan if found is None else found[0])
    return np.array(answers)


def systems_before(table):
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    def system(structure):
        standard = SpacegroupAnalyzer(structure, symprec=0.1).get_conventional_standard_structure()
        return SpacegroupAnalyzer(standard, symprec=0.1).get_crystal_system()

    return [system(structure) for structure in table.iter_pymatgen()]


def wasserstein_before(target, predicted, weights):
    values = np.concatenate([target, predicted])
    order = np.argsort(values)[: np.isfinite(values).sum()]
    cumulative = []
    for side, samples in enumerate((target, predicted)):
        mass = weights * np.isfinite(samples)
        mass = mass / mass.sum(axis=-1, keepdims=True)
        blank = np.zeros_like(mass)
        joined = np.concatenate([mass, blank] if side == 0 else [blank, mass], axis=-1)
        cumulative.append(np.cumsum(joined[..., order], axis=-1)[..., :-1])
    return np.abs(cumulative[0] - cumulative[1]) @ np.diff(values[order])


def divergence_before(target, predicted, weights):
    from matscale.metrics.distribution import freedman_diaconis_edges

    edges, shares = freedman_diaconis_edges(target), []
    for samples in (target, predicted):
        finite = np.isfinite(samples)
        membership = np.zeros((len(samples), len(edges) + 1))
        position = np.searchsorted(edges, samples[finite], side="right")
        membership[np.flatnonzero(finite), position] = 1.0
        counts = weights @ membership + 1.0
        shares.append(counts / counts.sum(axis=-1, keepdims=True))
    return (shares[0] * np.log(shares[0] / shares[1])).sum(axis=-1)


def metrics_before(functions):
    """Every metric measured by itself, with resamples drawn for it alone."""
    from matscale.metrics import distribution, statistics
    from matscale.results.measure import all_measured

    kept = all_measured, distribution.wasserstein, distribution.histogram_divergence

    def one_by_one(measures, *, seed):
        answers = {}
        for name, measure in measures.items():
            statistics._known_weights.cache_clear()
            answers |= kept[0]({name: measure}, seed=seed)
        return answers

    distribution.wasserstein = wasserstein_before
    distribution.histogram_divergence = divergence_before
    try:
        return functions(one_by_one)
    finally:
        distribution.wasserstein, distribution.histogram_divergence = kept[1:]


# --- the stages ------------------------------------------------------------------------------


class Bench:
    """One question, one submission, and the seconds of each stage."""

    def __init__(self, folder, rows):
        from matscale.predictors.submissions.crystals import read_submissions
        from matscale.runtime.memory import Memory
        from matscale.tasks.reconstruction.question import ask

        self.rows, self.stages = rows, []
        path = folder / "carbon24" / "atomgpt.csv.zip"
        self.read, submissions = timed(lambda: read_submissions([path], workers=1))
        self.submission = submissions[0]
        self.question = ask(submissions, train=None, targets="submitted", hygiene=None)
        self.memory = Memory(None, "", 1)

    def stage(self, what, now, before, per=1):
        """Note the seconds of a stage; ``before`` was timed on one row in ``per``."""
        self.stages.append({"stage": what, "now_s": now, "before_s": before, "one_row_in": per})

    def describe(self):
        """Canonical cells and invariants of targets and predictions."""
        from matscale.matching.canonical import canonical_cells
        from matscale.matching.described import describe

        tables = self.question.targets, self.submission.predictions.table
        canonical_cells(tables[0][:2])
        describe(tables[0][:2], self.memory, label="")
        now = [timed(canonical_cells, table) for table in tables]
        before = [timed(cells_before, table) for table in tables]
        for (_, (cells, _)), (_, expected) in zip(now, before, strict=True):
            agree("canonical cells", cells.lattices, expected.lattices)
            agree("positions", cells.positions, expected.positions)
        seconds = sum(s for s, _ in now)
        self.stage("canonical cells", seconds, sum(s for s, _ in before))
        both = [timed(lambda t=table: describe(t, self.memory, label="")) for table in tables]
        old = [timed(invariants_before, cells) for _, (cells, _) in now]
        for (_, described), (_, (amd, pdd)) in zip(both, old, strict=True):
            agree("AMD", described.amd, amd)
            agree("PDD", np.concatenate(described.pdd), np.concatenate(pdd))
        self.stage("AMD and PDD", sum(s for s, _ in both) - seconds, sum(s for s, _ in old))
        self.targets, self.predictions = both[0][1], both[1][1]

    def match(self):
        """Each prediction with its target."""
        from matscale.tasks.reconstruction.pairs import match_described, score_pairs

        place = {name: row for row, name in enumerate(self.targets.table.ids)}
        pairs = np.array(
            [(place[name], row) for row, name in enumerate(self.predictions.table.ids)]
        )
        match_described(self.targets, self.predictions, pairs[:2])
        now, found = timed(match_described, self.targets, self.predictions, pairs)
        before, rms = timed(rms_before, self.targets.table, self.predictions.table, pairs)
        agree("rms", found.rms, rms, 1e-6)
        self.stage("matching, each with its target", now, before)
        score_pairs(self.targets, self.predictions, pairs[:2], self.memory, label="")
        both, _ = timed(
            lambda: score_pairs(self.targets, self.predictions, pairs, self.memory, label="")
        )
        self.stage("earth mover's distance (amd, as before)", both - now, both - now)

    def recall(self):
        """Every prediction with every target of as many atoms."""
        from matscale.tasks.reconstruction.recall import recalled

        rows = np.arange(len(self.targets.table))
        recalled(self.targets, rows[:2], self.predictions, self.memory, label="")
        now, (found, _) = timed(
            lambda: recalled(self.targets, rows, self.predictions, self.memory, label="")
        )
        others = np.arange(len(self.predictions.table))
        step = max(1, len(rows) // (self.rows // 10))

        def search():
            return [self._any(row, others) for row in rows[::step]]

        before, expected = timed(search)
        agree("recall", found[::step], expected)
        self.recall_seconds = {"now_s": now, "before_s": before * step, "one_row_in": step}

    def _any(self, row, others):
        """Whether pymatgen matches any prediction with a target, as METRe was computed."""
        return any(
            np.isfinite(rms_before(self.targets.table, self.predictions.table, [(row, other)])[0])
            for other in others
        )

    def symmetry(self):
        """The crystal systems that both protocols' tables need."""
        from matscale.matching.described import crystal_systems

        table = self.question.targets
        now, systems = timed(crystal_systems, table, self.memory)
        step = max(1, len(table) // self.rows)
        before, expected = timed(systems_before, table[::step])
        if list(systems)[::step] != expected:
            raise SystemExit("crystal systems differ from before")
        self.stage("crystal systems (spglib)", now, before * step, step)

    def metrics(self):
        """Values and intervals, groups included."""
        from matscale.tasks.reconstruction import published, sound
        from matscale.tasks.reconstruction.samples import score_samples, target_facts

        facts = target_facts(self.question, self.memory)
        predictions = self.submission.predictions
        samples = score_samples(self.question, facts, predictions, self.memory, name="atomgpt")
        rows, systems = samples.scores[samples.scored], facts.crystal_system[samples.scored]

        def all_metrics(measure):
            sound.all_measured = published.all_measured = measure
            return (
                sound.sound_metrics(samples, seed=0),
                sound.sound_groups(samples, facts, seed=0),
                published.published_metrics(rows, seed=0),
                published.published_groups(rows, systems, seed=0),
            )

        plain = sound.all_measured
        all_metrics(plain)
        from matscale.metrics import statistics

        statistics._known_weights.cache_clear()
        now, answers = timed(all_metrics, plain)
        before, expected = timed(metrics_before, all_metrics)
        sound.all_measured = published.all_measured = plain
        agree("metrics", flat(answers), flat(expected))
        self.stage("metrics and intervals, two protocols", now, before)


def flat(answers):
    """All values and intervals of nested metrics and groups."""
    if isinstance(answers, dict):
        return [number for value in answers.values() for number in flat(value)]
    if isinstance(answers, tuple):
        return [number for value in answers for number in flat(value)]
    if hasattr(answers, "metrics"):
        return flat(answers.metrics)
    return [np.nan if x is None else x for x in (answers.value, answers.low, answers.high)]


def main():
    warnings.simplefilter("ignore")
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=150, help="rows that slow ways are timed on")
    bench = Bench(data_folder(), arguments.parse_args().rows)
    for stage in (bench.describe, bench.match, bench.symmetry, bench.metrics, bench.recall):
        stage()
    bench.stages.insert(0, {"stage": "reading (as before)", "now_s": bench.read})
    bench.stages[0] |= {"before_s": bench.read, "one_row_in": 1}
    now, before = (sum(row[key] for row in bench.stages) for key in ("now_s", "before_s"))
    total = {"stage": "all of these", "now_s": now, "before_s": before, "one_row_in": 1}
    recall = {"stage": "METRe over all pairs (new)", **bench.recall_seconds}
    print(f"{'stage':42s} {'now s':>9s} {'before s':>9s} {'ratio':>7s}")
    for row in (*bench.stages, total, recall):
        row["ratio"] = row["before_s"] / row["now_s"]
        sampled = f"  1 row in {row['one_row_in']} timed" if row["one_row_in"] > 1 else ""
        numbers = f"{row['now_s']:9.3f} {row['before_s']:9.2f} {row['ratio']:7.1f}"
        print(f"{row['stage']:42s} {numbers}{sampled}")
    answer = {"machine": platform.processor() or platform.machine(), "stages": bench.stages}
    answer |= {"all": total, "metre": recall}
    (HERE / "reconstruction.json").write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
