"""Work on a real dask scheduler with real worker processes: same answers, nothing lost."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from crystals import held_out, perovskite, rock_salt, training, wurtzite
from matscale import score
from matscale.energy import relax as relaxing
from matscale.energy.potentials import potential
from matscale.matching import batch, engine, grouping
from matscale.matching.outcomes import NOVELTY, MatchSettings
from matscale.matching.wyckoff import matches as wyckoff_matches
from matscale.matching.wyckoff.positions import symmetry_of
from matscale.runtime import cluster, execution
from matscale.runtime.errors import UserError
from matscale.runtime.execution import run
from matscale.runtime.memory import Memory
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from messages import handed_on

HERE = Path(__file__).parent
needs_dask = pytest.mark.skipif(
    not importlib.util.find_spec("distributed"),
    reason="the extra matscale[cluster] is not installed",
)


def noted(item: tuple[np.ndarray, int, str]) -> dict[str, np.ndarray]:
    """An answer that takes a while, and a line that says who gave it."""
    values, factor, folder = item
    with (Path(folder) / f"{os.getpid()}.log").open("a") as log:
        log.write(f"{factor}\n")
    time.sleep(0.05)
    return {"total": (values * factor).sum(keepdims=True), "pid": np.array([os.getpid()])}


def halved(value: int) -> float:
    if value == 7:
        raise ZeroDivisionError("seven")
    return value / 2


def deadly(value: int) -> int:
    if value == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def worker_inside(_: int) -> list[bool]:
    here = threading.current_thread()
    return list(run(lambda _: threading.current_thread() is here, range(9), threads=True))


# --- scheduler and workers of our own ---------------------------------------------------------


def started(*words: str, log: Path, env: dict[str, str] | None = None) -> subprocess.Popen:
    command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]]
    # Workers find the functions of this file.
    paths = {"PYTHONPATH": str(HERE), **(env or {})}
    with log.open("w") as file:
        return subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, **paths}, cwd=log.parent
        )


def said(log: Path, pattern: str, seconds: float = 300) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = re.search(pattern, log.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"{log.name} does not say {pattern!r}: {log.read_text()}")


class Machines:
    """A scheduler and its workers, as processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = folder / "scheduler.log"
        self.scheduler = started(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", log=log
        )
        self.address = said(log, r"Scheduler at:\s+(tcp://\S+)")
        self.workers: list[subprocess.Popen] = []

    def add(self, **env: str) -> subprocess.Popen:
        log = self.folder / f"worker{len(self.workers)}.log"
        # No nanny: a process that is killed stays dead.
        words = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        worker = started("dask_worker", self.address, *words, log=log, env=env)
        self.workers.append(worker)
        said(log, r"(Registered to)")
        return worker

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def machines(folder: Path, workers: int):
    found = Machines(folder)
    try:
        for _ in range(workers):
            found.add()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with machines(tmp_path_factory.mktemp("dask"), 2) as found:
        yield found


def items_of(folder: Path, count: int) -> list[tuple[np.ndarray, int, str]]:
    shared = np.random.default_rng(0).normal(size=1000)
    return [(shared, k, str(folder)) for k in range(count)]


def totals(answers: list[dict[str, np.ndarray]]) -> list[bytes]:
    return [answer["total"].tobytes() for answer in answers]


def asked(folder: Path) -> dict[int, list[int]]:
    """What each process was asked."""
    logs = folder.glob("[0-9]*.log")
    return {int(log.stem): [int(line) for line in log.read_text().split()] for log in logs}


# --- what holds with the extra ----------------------------------------------------------------


@needs_dask
def test_two_workers_give_the_same_bits_in_order(two, tmp_path):
    items = items_of(tmp_path, 40)
    expected = totals(Memory(workers=1).map(noted, items))
    for log in tmp_path.glob("*.log"):
        log.unlink()
    with execution.on(two.address):
        assert execution.is_elsewhere()
        assert totals(Memory().map(noted, items)) == expected
        assert totals(list(run(noted, items))) == expected
    assert not execution.is_elsewhere()
    assert set(asked(tmp_path)) == {worker.pid for worker in two.workers}


@needs_dask
def test_what_is_known_is_not_asked_again(two, tmp_path):
    items = items_of(tmp_path, 12)
    kept = tmp_path / "kept"
    with execution.on(two.address):
        first = Memory(kept).map(noted, items)
    here = Memory(kept, workers=1).map(noted, items)
    assert totals(first) == totals(here)
    assert os.getpid() not in asked(tmp_path)
    assert sorted(k for line in asked(tmp_path).values() for k in line) == list(range(12))


@needs_dask
def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path):
    items = items_of(tmp_path, 60)
    expected = totals(Memory(workers=1).map(noted, items))
    (tmp_path / f"{os.getpid()}.log").unlink()
    kept = tmp_path / "kept"

    def kill_in_the_middle(victim: subprocess.Popen) -> None:
        while len(list(kept.glob("*.npz"))) < 15:
            time.sleep(0.01)
        victim.kill()

    with machines(tmp_path, 2) as found, execution.on(found.address):
        victim, survivor = found.workers
        # A worker that imports for seconds would be killed before it does anything.
        execution._elsewhere._client.run(importlib.import_module, noted.__module__)
        killer = threading.Thread(target=kill_in_the_middle, args=(victim,))
        killer.start()
        answers = Memory(kept).map(noted, items)
        killer.join()
        assert victim.wait() == -signal.SIGKILL
    assert totals(answers) == expected
    did = asked(tmp_path)
    assert 0 < len(did[victim.pid]) < 60
    assert set(did[victim.pid]) | set(did[survivor.pid]) == set(range(60))
    assert len(list(kept.glob("*.npz"))) == 60


@needs_dask
def test_work_waits_for_workers_that_come_later(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "AWAIT_S", 0.5)
    said: list[str] = []
    waits = threading.Event()
    monkeypatch.setattr(
        cluster, "print", lambda text, **_: (said.append(text), waits.set()), raising=False
    )
    with machines(tmp_path, 0) as found, execution.on(found.address):
        answers = cluster.Cluster(execution._elsewhere._client, "queue").answers(halved, [2, 4])
        helper = threading.Thread(target=lambda: waits.wait(300) and found.add())
        helper.start()
        assert sorted(answers) == [(0, 1.0), (1, 2.0)]
        helper.join()
    assert set(said) == {"queue has no workers; waiting for some"}


@needs_dask
def test_an_error_reaches_the_caller(two):
    with execution.on(two.address), pytest.raises(ZeroDivisionError, match="seven"):
        list(run(halved, range(20)))


@needs_dask
def test_functions_that_no_worker_can_import_travel_too(two):
    factor = 3
    with execution.on(two.address):
        assert list(run(lambda k: factor * k, range(8))) == [3 * k for k in range(8)]


@needs_dask
def test_arrays_are_aligned_on_whichever_worker_they_arrive():
    values = np.arange(5.0)
    assert not handed_on(values).flags.aligned
    arrived = handed_on(cluster._Whole(values)).value
    assert arrived.flags.aligned
    np.testing.assert_array_equal(arrived, values)


@needs_dask
def test_workers_do_not_start_workers(two):
    with execution.on(two.address):
        assert all(all(inside) for inside in run(worker_inside, range(3)))


@needs_dask
def test_threads_and_single_items_stay_here(two):
    with execution.on(two.address):
        assert list(run(lambda _: os.getpid(), range(4), threads=True)) == [os.getpid()] * 4
        assert list(run(lambda _: os.getpid(), [0])) == [os.getpid()]


@needs_dask
def test_work_that_kills_every_worker_ends_in_a_sentence(tmp_path):
    died = pytest.raises(UserError, match=r"4 workers died that held piece [01] of the work")
    with machines(tmp_path, 5) as found, execution.on(found.address), died:
        list(run(deadly, [0, 1]))


@needs_dask
def test_a_scheduler_that_goes_away_ends_in_a_sentence(tmp_path, monkeypatch):
    import dask

    monkeypatch.setattr(cluster, "AWAIT_S", 1.0)
    items = items_of(tmp_path, 60)
    lost = pytest.raises(UserError, match="went away; the same command resumes")
    short = dask.config.set({"distributed.comm.timeouts.connect": "2s"})
    with machines(tmp_path, 2) as found, short, execution.on(found.address), lost:
        for k, _ in enumerate(run(noted, items)):
            if k == 5:
                found.scheduler.kill()


def out_of_space(value: int) -> int:
    raise OSError(28, "No space left on device")


@needs_dask
def test_an_item_s_own_os_error_is_not_taken_for_a_lost_scheduler(two):
    with execution.on(two.address), pytest.raises(OSError, match="No space left"):
        list(run(out_of_space, range(3)))


@needs_dask
@pytest.mark.parametrize(
    "raised",
    [
        pytest.param(lambda: closed_connection(), id="closed connection"),
        pytest.param(lambda: CancelledError("scheduler-connection-lost"), id="cancelled"),
        pytest.param(lambda: TimeoutError("no answer"), id="no connection in time"),
        pytest.param(lambda: RuntimeError("ConnectionPool is closed"), id="closed pool"),
        pytest.param(lambda: closed_client(), id="closed client"),
    ],
)
@pytest.mark.parametrize("call", ["nthreads", "submit", "result"])
def test_however_a_lost_scheduler_shows_it_is_one_sentence(raised, call):
    """Which call notices first hangs on load, so each is made to."""
    place = cluster.Cluster(Deaf(call, raised()), "tcp://there:1")
    calls = {
        "nthreads": place._threads,
        "submit": lambda: place._keep(b""),
        "result": lambda: place._result(place._client, 0),
    }
    with pytest.raises(UserError, match="the scheduler at tcp://there:1 went away"):
        calls[call]()


def closed_connection() -> Exception:
    from distributed.comm.core import CommClosedError

    return CommClosedError("Client->Scheduler local=tcp://127.0.0.1:1")


def closed_client() -> Exception:
    from distributed.client import ClosedClientError

    return ClosedClientError("Client is closed")


class Deaf:
    """A client, and a future, one of whose calls finds that nobody is there."""

    status = "lost"

    def __init__(self, call: str, raised: Exception) -> None:
        self._call, self._raised = call, raised

    def __getattr__(self, name: str):
        def called(*_, **__):
            if name == self._call:
                raise self._raised
            return {}

        return called


@needs_dask
def test_other_code_on_a_worker_is_refused(two, monkeypatch):
    own = {**cluster.code(), "matscale's code": "0123456789ab"}
    monkeypatch.setattr(cluster, "code", lambda: own)
    with execution.on(two.address), pytest.raises(UserError, match="results would differ"):
        list(run(halved, range(4)))


@needs_dask
def test_workers_of_its_own(tmp_path):
    items = items_of(tmp_path, 10)
    expected = totals(Memory(workers=1).map(noted, items))
    with execution.on("local:2"):
        assert totals(Memory().map(noted, items)) == expected
    assert len(asked(tmp_path)) == 3


# --- matching ---------------------------------------------------------------------------------


def tables() -> tuple[StructureTable, StructureTable]:
    rng = np.random.default_rng(5)
    made = [
        rock_salt(5.6, "Na", "Cl"),
        perovskite(3.9, "Sr", "Ti", "O"),
        wurtzite(3.8, 6.2, "Zn", "S"),
    ]
    first = [
        one.copy().perturb(0.05 * float(rng.random()), seed=k) for k, one in enumerate(made * 4)
    ]
    return StructureTable.from_pymatgen(first), StructureTable.from_pymatgen(made * 8)


class Recorder:
    """A cluster of one: answers what arrives of what it is sent, and in another order."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def answers(self, function, items):
        self.sent[function.__qualname__] += len(items)
        function, items = handed_on((function, items))
        for place in reversed(range(len(items))):
            yield place, function(items[place])


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    found = Recorder()
    monkeypatch.setattr(execution, "_elsewhere", found)
    return found


def here(function, *arguments, **options):
    """What a function answers without a cluster."""
    before, execution._elsewhere = execution._elsewhere, None
    try:
        return function(*arguments, workers=1, **options)
    finally:
        execution._elsewhere = before


def bits(found) -> dict[str, bytes]:
    """Arrays of an answer as they are in memory, counts without the time."""
    parts = dict(vars(found))
    books = replace(parts.pop("counts"), seconds=0)
    return {
        "counts": repr(books),
        **{name: np.array(part).tobytes() for name, part in parts.items()},
    }


MATCHINGS = [MatchSettings(), NOVELTY, MatchSettings(mode="anonymous")]


@pytest.mark.parametrize("settings", MATCHINGS)
def test_all_pairs_travel_in_chunks(recorder, settings, monkeypatch):
    monkeypatch.setattr(engine, "CHUNK", 37)
    first, second = tables()
    there = batch.match(first, second, settings)
    assert recorder.sent["Matching.matches"] > 1
    assert len(there) > 0
    assert bits(there) == bits(here(batch.match, first, second, settings))


def test_given_pairs_travel_too(recorder, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "CHUNK", 37)
    first, second = tables()
    rows = np.argwhere(np.ones((len(first), len(second))))
    there = batch.match_pairs(first, second, rows, NOVELTY, keep=tmp_path)
    sent = recorder.sent["Matching.scores"]
    assert sent == len(list(tmp_path.glob("*.npz"))) > 1
    # What the cluster answered is known here, and the other way round.
    again = here(batch.match_pairs, first, second, rows, NOVELTY, keep=tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == sent
    assert bits(again) == bits(there) == bits(here(batch.match_pairs, first, second, rows, NOVELTY))


@pytest.mark.parametrize("settings", MATCHINGS)
def test_groups_are_formed_there_as_here(recorder, settings, monkeypatch):
    first, second = tables()
    table = StructureTable.concatenate([first, second, first]).with_ids([""] * 48)
    label, counts = here(batch.group, table, settings)
    monkeypatch.setattr(grouping, "PIECE", 2)
    monkeypatch.setattr(grouping, "CHUNK", 1)
    for block in (4, 64):
        monkeypatch.setattr(grouping, "BLOCK", block)
        there, books = batch.group(table, settings)
        assert there.tolist() == label.tolist()
        assert replace(books, seconds=0) == replace(counts, seconds=0)
    assert set(recorder.sent) == {"Comparing.bundle", "Comparing.first_matches"}


def relaxable(count: int) -> StructureTable:
    """Strained metals that EMT can relax."""
    atoms = [bulk(("Cu", "Ag", "Au")[k % 3]) for k in range(count)]
    for k, one in enumerate(atoms):
        one.set_cell(one.cell.array * (1 + 0.01 * (k + 1)), scale_atoms=True)
    return StructureTable.from_ase(atoms)


def test_relaxations_travel_and_are_kept_here(recorder, monkeypatch, tmp_path):
    monkeypatch.setattr(relaxing, "CHUNK", 2)
    table, emt = relaxable(6), potential("ase.calculators.emt:EMT")
    there = relaxing.relax(table, emt, folder=tmp_path, workers=None)
    assert recorder.sent["_relax_chunk"] == 3
    assert len(list(tmp_path.glob("*.npz"))) == 6
    known = here(relaxing.relax, table, emt)
    for name in ("energies", "initial_energies", "forces", "steps"):
        assert getattr(there, name).tobytes() == getattr(known, name).tobytes()
    assert there.table.sha256() == known.table.sha256()


@needs_dask
def test_novelty_sends_matching_and_relaxation(two, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "CHUNK", 4)
    monkeypatch.setattr(grouping, "CHUNK", 1)
    monkeypatch.setattr(relaxing, "CHUNK", 2)
    write(relaxable(6)[[0, 1, 2]].with_ids(["a", "b", "c"]), tmp_path / "train.parquet")
    write(relaxable(12)[range(6, 10)].with_ids(list("defg")), tmp_path / "model.parquet")
    sent: Counter[str] = Counter()
    answers = cluster.Cluster.answers

    def noting(self, function, items):
        sent[function.__qualname__] += len(items)
        return answers(self, function, items)

    monkeypatch.setattr(cluster.Cluster, "answers", noting)
    how = {"relax": "ase.calculators.emt:EMT", "protocol": "sound"}
    asked = {"train": tmp_path / "train.parquet", **how}
    known = score("novelty", tmp_path / "model.parquet", workers=1, **asked)
    assert not sent
    with execution.on(two.address):
        card = score("novelty", tmp_path / "model.parquet", **asked)
    assert {"Matching.scores", "Comparing.bundle", "_relax_chunk"} <= set(sent)
    for one, other in zip(card, known, strict=True):
        assert one.metrics == other.metrics


@needs_dask
def test_prototypes_on_two_workers_are_prototypes_here(two, monkeypatch):
    monkeypatch.setattr(wyckoff_matches, "CHUNK", 3)
    generated, train = (symmetry_of(table, workers=1) for table in (held_out(), training()))
    here = wyckoff_matches.wyckoff_matches(generated, train, workers=1)
    with execution.on(two.address):
        there = wyckoff_matches.wyckoff_matches(generated, train)
    assert len(here) > 3
    for name in ("generated", "train", "uniform", "pettifor", "atoms"):
        assert getattr(here, name).tobytes() == getattr(there, name).tobytes()


# --- mistakes ---------------------------------------------------------------------------------


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    said_so = pytest.raises(UserError, match=r"pip install 'matscale\[cluster\]'")
    with said_so, execution.on("local:2"):
        pass


@needs_dask
@pytest.mark.parametrize("address", ["here", "local:", "local:0", "local:x", "10.0.0.1:8786"])
def test_what_is_no_address_is_said(address):
    with pytest.raises(UserError, match="expected tcp://host:port"), execution.on(address):
        pass


@needs_dask
def test_a_scheduler_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    said_so = pytest.raises(UserError, match="no dask scheduler answers there")
    with said_so, execution.on("tcp://127.0.0.1:1"):
        pass


def test_no_cluster_is_this_machine():
    with execution.on(None):
        assert not execution.is_elsewhere()
        assert list(run(halved, [1, 2])) == [0.5, 1.0]
