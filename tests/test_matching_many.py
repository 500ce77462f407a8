"""Matching over many cores: workers, chunks and order change nothing, and a kill loses little."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from crystals import described_otherwise, held_out
from matscale.matching import batch, engine, grouping
from matscale.matching.batch import NOVELTY, MatchSettings
from matscale.matching.kernels import preparation, search
from matscale.matching.kernels.held import Held
from matscale.matching.kernels.search import STATUSES, group_rows
from matscale.matching.kernels.workspace import MAX_SITES
from matscale.matching.tolerances import Tolerances
from matscale.matching.wyckoff import positions as wyckoff
from matscale.runtime.memory import Memory
from matscale.structures.formats import read_parquet, write
from matscale.structures.table import StructureTable
from messages import handed_on

WIDE = Tolerances(length=0.3, site=0.5, angle=10.0)


def random_crystals(count: int, sites: int, seed: int = 0, elements=(6,)) -> StructureTable:
    """Dense random cells: with wide tolerances many of them match, but not all."""
    rng = np.random.default_rng(seed)
    cells = (8.0 * sites) ** (1 / 3) * (np.eye(3) + 0.1 * rng.normal(size=(count, 3, 3)))
    return StructureTable.from_parts(
        [f"c{k}" for k in range(count)],
        [rng.choice(elements, sites) for _ in range(count)],
        [rng.random((sites, 3)) @ cell for cell in cells],
        cells,
    )


@pytest.fixture(scope="module")
def crystals() -> StructureTable:
    """Prototypes, other descriptions of them, and random carbon of two to six atoms."""
    known = list(held_out().iter_pymatgen())
    others = [described_otherwise(structure, seed) for seed, structure in enumerate(known)]
    random = [random_crystals(30, sites, sites) for sites in (2, 3, 4, 6)]
    table = StructureTable.concatenate([StructureTable.from_pymatgen(known + others), *random])
    return table.with_ids([f"{k}" for k in range(len(table))])


MODES = [
    MatchSettings(WIDE),
    MatchSettings(WIDE, mode="framework", criterion="largest", supercell=True),
    MatchSettings(WIDE, mode="anonymous"),
]


@pytest.fixture(params=MODES, ids=lambda settings: settings.mode)
def settings(request) -> MatchSettings:
    return request.param


def test_arrays_of_any_origin_need_no_other_kernels(crystals, tmp_path):
    """A compilation for read-only or unaligned arrays would take a minute."""
    np.save(tmp_path / "positions.npy", crystals.positions)
    mapped = np.load(tmp_path / "positions.npy", mmap_mode="r")
    wanted, _ = batch.group(crystals)
    compiled = preparation.prepare_rows.whole, search.group_rows.whole
    known = [len(function.signatures) for function in compiled]
    for table in (replace(crystals, positions=mapped), handed_on(crystals)):
        np.testing.assert_array_equal(batch.group(table)[0], wanted)
    assert [len(function.signatures) for function in compiled] == known


def told(first: StructureTable, second: StructureTable, found: batch.Matches) -> dict:
    """What was found, by ids."""
    pairs = zip(first.ids[found.first], second.ids[found.second], strict=True)
    return dict(zip(pairs, zip(found.rms, found.largest, strict=True), strict=True))


def without_time(counts: batch.Counts) -> dict:
    return {name: value for name, value in vars(counts).items() if name != "seconds"}


def same(one: batch.Matches, other: batch.Matches) -> None:
    for name in ("first", "second", "rms", "rms_angstrom", "largest", "undecided"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.element_maps is None) == (other.element_maps is None)
    if one.element_maps is not None:
        np.testing.assert_array_equal(one.element_maps, other.element_maps)
    assert without_time(one.counts) == without_time(other.counts)


def test_workers_and_chunks_change_nothing(crystals, settings, monkeypatch):
    known = batch.match(crystals, crystals[::2], settings, workers=1)
    assert 100 < len(known) < known.counts.tested
    for chunk, workers in ((engine.CHUNK, 2), (301, 1), (64, 2), (1000, 4)):
        monkeypatch.setattr(engine, "CHUNK", chunk)
        same(batch.match(crystals, crystals[::2], settings, workers=workers), known)


def test_given_pairs_and_nearest_ones_too(crystals, settings, monkeypatch):
    rows = np.random.default_rng(1).integers(0, len(crystals), (3000, 2))
    known = batch.match_pairs(crystals, crystals, rows, settings, workers=1)
    nearest = batch.find(crystals, crystals[::3], settings, workers=1)
    monkeypatch.setattr(engine, "CHUNK", 200)
    scores = batch.match_pairs(crystals, crystals, rows, settings, workers=3)
    for name in ("matched", "rms", "rms_angstrom", "largest", "undecided"):
        np.testing.assert_array_equal(getattr(scores, name), getattr(known, name))
    assert without_time(scores.counts) == without_time(known.counts)
    found = batch.find(crystals, crystals[::3], settings, workers=3)
    np.testing.assert_array_equal(found[0], nearest[0])
    np.testing.assert_array_equal(found[1], nearest[1])


@examples(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(MODES))
def test_order_changes_nothing(crystals, seed, mode):
    rng = np.random.default_rng(seed)
    first, second = crystals[rng.permutation(len(crystals))[:70]], crystals[::2]
    known = told(first, second, batch.match(first, second, mode))
    one, other = first[rng.permutation(len(first))], second[rng.permutation(len(second))]
    found = told(one, other, batch.match(one, other, mode))
    assert found == known


def one_after_the_other(table: StructureTable, settings: MatchSettings) -> np.ndarray:
    """Groups by the sequential kernel alone, over all crystals whatever their composition."""
    options = MatchSettings(settings.tolerances, settings.mode, "largest", keep_first=True)
    crystals = batch.ready(table, options)
    label = np.full(len(table), -1, np.int64)
    rows = np.flatnonzero(crystals.sizes)
    found, counts = np.empty((2, len(rows)), np.int64), np.zeros(STATUSES, np.int64)
    large = np.zeros((len(rows), len(rows)), bool)
    how = engine.CODES[options.mode], options.scale, False, options.numbers, options.symmetric
    with engine.Engine(table, table, options).space() as space:
        group_rows(Held(crystals), rows, *how, space, found[0], found[1], 0, counts, large)
    label[rows] = found[0]
    return label


@pytest.mark.parametrize("mode", ["direct", "framework", "anonymous"])
def test_groups_are_the_sequential_ones(crystals, mode, monkeypatch):
    settings = MatchSettings(WIDE, mode=mode)
    rng = np.random.default_rng(2)
    for table in (crystals, crystals[rng.permutation(len(crystals))]):
        known = one_after_the_other(table, settings)
        label, counts = batch.group(table, settings, workers=1)
        np.testing.assert_array_equal(label, known)
        for block, workers in ((16, 1), (20, 3), (64, 2)):
            with monkeypatch.context() as patched:
                patched.setattr(grouping, "BLOCK", block)
                patched.setattr(grouping, "SHARE", workers)
                # Even small blocks go to threads, and few representatives at a time.
                patched.setattr(grouping, "CHUNK", 50)
                patched.setattr(engine, "FIRST_SLICE", 3)
                patched.setattr(engine, "SLICE_S", 0.0)
                found, books = batch.group(table, settings, workers=workers)
            np.testing.assert_array_equal(found, known)
            assert without_time(books) == without_time(counts)
    assert 12 < len(np.unique(known)) < len(known) - 20


def test_groups_depend_on_order_as_pymatgens_do():
    """b matches a and c, which do not match each other."""
    cells = [np.diag([4.0, 4.0, length]) for length in (4.0, 4.6, 5.3)]
    table = StructureTable.from_parts(
        ["a", "b", "c"], [np.array([29])] * 3, [np.zeros((1, 3))] * 3, cells
    )
    settings = MatchSettings(Tolerances(length=0.16), scale=False)
    assert batch.group(table, settings)[0].tolist() == [0, 0, 2]
    assert batch.group(table[[1, 0, 2]], settings)[0].tolist() == [0, 0, 0]


def test_empty_tables_and_single_crystals():
    none, one = StructureTable.empty(), held_out()[:1]
    for first, second in ((none, none), (none, one), (one, none)):
        assert len(batch.match(first, second, workers=2)) == 0
        assert batch.find(first, second)[0].tolist() == [-1] * len(first)
    assert len(batch.match(one, one)) == 1
    assert batch.group(none)[0].tolist() == []
    assert batch.group(one)[0].tolist() == [0]
    assert batch.match_pairs(one, one, np.empty((0, 2))).counts.considered == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("name", ["length", "site", "angle"])
def test_tolerances_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match="expected a number from 0 on"):
        MatchSettings(Tolerances(**{name: value}))


def test_pairs_that_are_too_large_are_named(monkeypatch):
    """Two random cells, and tolerances within which anything can lie on anything."""
    table = random_crystals(2, 8)
    monkeypatch.setattr(engine, "POINTS", 64)
    monkeypatch.setattr(engine, "MAX_POINTS", 128)
    wide = MatchSettings(Tolerances(length=5.0, site=1e-3, angle=80.0))
    found = batch.match(table[:1], table[1:], wide)
    assert found.undecided.tolist() == [[0, 0]]
    assert found.counts.refused["too large"] == 1
    scores = batch.match_pairs(table, table, np.array([[0, 1]]), wide)
    assert scores.undecided.tolist() == [True]
    assert scores.matched.tolist() == [False]
    books = batch.group(table, wide)[1]
    assert books.refused["too large"] == 1
    assert books.undecided == ((0, 1),)
    assert books.oversized == 0


def test_pairs_that_take_too_much_work_are_named(monkeypatch):
    """A pair that matches within the limit, then under a limit that no search can keep."""
    table = held_out()[[3, 3]]
    assert len(batch.match(table[:1], table[1:])) == 1
    monkeypatch.setattr(engine, "MOST_WORK", 1.0)
    found = batch.match(table[:1], table[1:])
    assert found.undecided.tolist() == [[0, 0]]
    assert (found.counts.refused["too large"], found.counts.oversized) == (1, 0)
    assert (found.counts.tested, found.counts.matched) == (0, 0)


def test_pairs_of_too_many_sites_are_told_apart():
    """No tolerance decides them."""
    count = MAX_SITES + 1
    # Rising gaps: no smaller cell.
    places = np.column_stack([2.0 * np.arange(count) ** 1.01, *np.zeros((2, count))])
    cell = np.diag([2.0 * count**1.01, 4.0, 4.0])
    chain = StructureTable.from_parts(["chain"], [np.full(count, 6)], [places], [cell])
    counts = batch.match(chain, chain, NOVELTY).counts
    assert (counts.refused["too large"], counts.oversized) == (1, 1)
    assert counts.undecided == ((0, 0),)


# --- interrupt and resume ------------------------------------------------------------------


class Asked:
    """How many pairs the kernels were asked for; of groups, how many were compared."""

    def __init__(self, monkeypatch) -> None:
        self.pairs = 0
        run, grouped = engine.Engine.run, grouping.Comparing._grouped

        def counted(self_, rows_1, rows_2):
            self.pairs += len(rows_1)
            return run(self_, rows_1, rows_2)

        def counted_groups(self_, *arguments):
            answer, known = grouped(self_, *arguments)
            self.pairs += int(answer["counts"].sum())
            return answer, known

        monkeypatch.setattr(engine.Engine, "run", counted)
        monkeypatch.setattr(grouping.Comparing, "_grouped", counted_groups)


def test_kept_chunks_are_not_computed_again(crystals, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "CHUNK", 500)
    asked = Asked(monkeypatch)
    settings = MatchSettings(WIDE)
    known = batch.match(crystals, crystals, settings, keep=tmp_path, workers=2)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) > 3
    asked.pairs = 0
    same(batch.match(crystals, crystals, settings, keep=tmp_path), known)
    assert asked.pairs == 0
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:40])  # as a full disk leaves it
    same(batch.match(crystals, crystals, settings, keep=tmp_path), known)
    assert 0 < asked.pairs <= 1000
    for other in (MatchSettings(), MatchSettings(WIDE, scale=False)):
        asked.pairs = 0
        batch.match(crystals, crystals, other, keep=tmp_path)
        assert asked.pairs == 12 * 4 + 120**2 or asked.pairs > 10_000
    asked.pairs = 0
    moved = crystals[np.arange(len(crystals))[::-1]]
    batch.match(moved, crystals, settings, keep=tmp_path)
    assert asked.pairs > 10_000


def test_code_of_another_version_is_not_believed(crystals, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "CHUNK", 2000)
    asked = Asked(monkeypatch)
    batch.match(crystals, crystals, keep=tmp_path)
    asked.pairs = 0
    monkeypatch.setattr(engine, "code_version", lambda: "edited")
    batch.match(crystals, crystals, keep=tmp_path)
    assert asked.pairs > 10_000


def test_kept_groups_and_pairs_are_not_computed_again(crystals, monkeypatch, tmp_path):
    monkeypatch.setattr(grouping, "BLOCK", 16)
    monkeypatch.setattr(engine, "CHUNK", 100)
    settings = MatchSettings(WIDE)
    rows = np.random.default_rng(3).integers(0, len(crystals), (1000, 2))
    known = batch.group(crystals, settings, keep=tmp_path, workers=2)
    scores = batch.match_pairs(crystals, crystals, rows, settings, keep=tmp_path)
    asked = Asked(monkeypatch)
    again = batch.group(crystals, settings, keep=tmp_path)
    np.testing.assert_array_equal(again[0], known[0])
    assert without_time(again[1]) == without_time(known[1])
    found = batch.match_pairs(crystals, crystals, rows, settings, keep=tmp_path)
    np.testing.assert_array_equal(found.rms, scores.rms)
    assert asked.pairs == 0


def test_little_work_leaves_no_files(tmp_path):
    batch.match(held_out(), held_out(), keep=tmp_path / "kept")
    batch.group(held_out(), keep=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


FINE = """
import signal, sys, time
from matscale.matching import engine, grouping
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
engine.CHUNK, grouping.BLOCK = 100, 16
go_on = engine.Engine.go_on
engine.Engine.go_on = lambda self: (time.sleep(0.1), go_on(self))
"""
"""Small pieces, none of them quick, so that the work can be stopped in its middle anywhere."""

MATCHING = """
from matscale.matching import batch
from matscale.matching.tolerances import Tolerances
from matscale.structures.formats import read_parquet
table = read_parquet("crystals.parquet")
settings = batch.MatchSettings(Tolerances(0.3, 0.5, 10.0), criterion="largest")
batch.{name}(*[table] * {tables}, settings, keep="kept", workers=2)
"""

COMMAND = """
sys.argv = ["matscale", "match", "crystals.parquet", "crystals.parquet", "--out", "{out}",
            "--ltol", "0.3", "--stol", "0.5", "--angle-tol", "10"]
from matscale.cli import main
main()
"""


@pytest.fixture(scope="module")
def long_work(tmp_path_factory) -> Path:
    """A file of crystals, some alike, whose matching takes some seconds."""
    folder = tmp_path_factory.mktemp("long")
    one = random_crystals(30, 12)
    rattle = 0.05 * np.random.default_rng(4).normal(size=one.positions.shape)
    table = StructureTable.concatenate([one, replace(one, positions=one.positions + rattle)])
    write(table.with_ids([f"{k}" for k in range(60)]), folder / "crystals.parquet")
    return folder


def stop_midway(command: list[str], cwd: Path, kept: Path, which: signal.Signals, after: int):
    """Start a process, send it a signal once it has kept some files; its code and words."""
    process = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 600
    while len(list(kept.glob("*.npz"))) < after:
        assert process.poll() is None, f"over before it could be stopped: {process.stderr.read()}"
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(which)
    _, said = process.communicate(timeout=600)
    return process.returncode, said


@pytest.mark.parametrize(("name", "tables"), [("match", 2), ("group", 1)])
def test_a_killed_process_is_resumed(long_work, monkeypatch, name, tables):
    kept = long_work / "kept"
    command = [sys.executable, "-c", FINE + MATCHING.format(name=name, tables=tables)]
    code, *_ = stop_midway(command, long_work, kept, signal.SIGKILL, 2)
    assert code == -signal.SIGKILL
    there = {path.name for path in kept.glob("*.npz")}
    monkeypatch.setattr(engine, "CHUNK", 100)
    monkeypatch.setattr(grouping, "BLOCK", 16)
    table = read_parquet(long_work / "crystals.parquet")
    settings = MatchSettings(WIDE, criterion="largest")
    asked = Asked(monkeypatch)
    resumed = getattr(batch, name)(*[table] * tables, settings, keep=kept)
    less = asked.pairs
    assert there < {path.name for path in kept.glob("*.npz")}
    asked.pairs = 0
    known = getattr(batch, name)(*[table] * tables, settings)
    assert less < asked.pairs
    if name == "match":
        same(resumed, known)
        assert len(known) > len(table)
    else:
        np.testing.assert_array_equal(resumed[0], known[0])
        assert without_time(resumed[1]) == without_time(known[1])
    for path in kept.iterdir():
        path.unlink()


def test_an_interrupted_command_ends_at_once_and_goes_on(long_work):
    kept = long_work / ".pairs.csv.partial"
    commands = {
        out: [sys.executable, "-c", FINE + COMMAND.format(out=out)]
        for out in ("pairs.csv", "whole.csv")
    }
    code, said = stop_midway(commands["pairs.csv"], long_work, kept, signal.SIGINT, 2)
    assert code == 130
    assert said == "matscale: interrupted; the same command resumes where it stopped\n"
    assert not (long_work / "pairs.csv").exists()
    assert len(list(kept.glob("*.npz"))) >= 2
    for command in commands.values():
        subprocess.run(command, cwd=long_work, check=True, capture_output=True)
    assert (long_work / "pairs.csv").read_bytes() == (long_work / "whole.csv").read_bytes()
    assert not list(long_work.glob(".*"))


def test_symmetry_is_kept_too(tmp_path, monkeypatch):
    first = wyckoff.symmetry_of(held_out(), memory=Memory(tmp_path, "1", 1))
    monkeypatch.setattr(wyckoff, "_ENGINES", {})
    again = wyckoff.symmetry_of(held_out(), memory=Memory(tmp_path, "1", 1))
    np.testing.assert_array_equal(first.groups, again.groups)
