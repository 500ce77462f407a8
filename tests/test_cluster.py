"""Work on a real dask scheduler with real worker processes: same answers, nothing lost."""

import importlib.util
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from crystals import held_out, perovskite, rock_salt, training, wurtzite
from matscale import cluster, execution
from matscale.errors import UserError
from matscale.execution import Memory, run
from matscale.matching import remote, wyckoff_matches
from matscale.matching.batch import match
from matscale.matching.engine import Engine
from matscale.matching.outcomes import NOVELTY, MatchSettings
from matscale.matching.wyckoff import symmetry_of
from matscale.structures.table import StructureTable

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


def said(log: Path, pattern: str, seconds: float = 60) -> str:
    for _ in range(int(seconds / 0.1)):
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
def test_work_waits_for_workers_that_come_later(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "AWAIT_S", 0.5)
    with machines(tmp_path, 0) as found, execution.on(found.address):
        answers = cluster.Cluster(execution._elsewhere._client, "queue").answers(halved, [2, 4])
        helper = threading.Timer(1.5, found.add)
        helper.start()
        assert sorted(answers) == [(0, 1.0), (1, 2.0)]
        helper.join()
    assert "queue has no workers; waiting for some" in capsys.readouterr().err


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
    died = pytest.raises(UserError, match="4 workers died of piece 1 of the work")
    with machines(tmp_path, 5) as found, execution.on(found.address), died:
        list(run(deadly, [0, 1]))


@needs_dask
def test_a_scheduler_that_goes_away_ends_in_a_sentence(tmp_path, monkeypatch):
    import dask

    monkeypatch.setattr(cluster, "AWAIT_S", 1.0)
    items = items_of(tmp_path, 60)
    lost = pytest.raises(UserError, match="went away; the same command goes on")
    short = dask.config.set({"distributed.comm.timeouts.connect": "2s"})
    with machines(tmp_path, 2) as found, short, execution.on(found.address), lost:
        for k, _ in enumerate(run(noted, items)):
            if k == 5:
                found.scheduler.kill()


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
    first = [one.copy().perturb(0.05 * float(rng.random())) for one in made * 4]
    return StructureTable.from_pymatgen(first), StructureTable.from_pymatgen(made * 8)


@pytest.mark.parametrize("settings", [MatchSettings(), NOVELTY, MatchSettings(mode="anonymous")])
def test_chunks_by_an_object_that_was_sent_are_those_of_threads(settings):
    first, second = tables()
    work = pickle.loads(pickle.dumps(remote.Matching(first, second, settings)))  # noqa: S301
    pairs = len(work)
    got = [work(("", *one)) for one in [(0, pairs // 3), (pairs // 3, pairs)]]
    found = np.concatenate([answer["pairs"] for answer in got])
    expected = match(first, second, settings, workers=1)
    assert len(expected) > 0
    assert found.tolist() == np.column_stack([expected.first, expected.second]).tolist()
    values = np.concatenate([answer["values"] for answer in got])
    assert values[:, 0].tobytes() == expected.rms.tobytes()


@needs_dask
@pytest.mark.parametrize("given", [False, True])
def test_matching_on_two_workers_is_matching_here(two, tmp_path, given):
    first, second = tables()
    rows = np.argwhere(np.ones((len(first), len(second)))) if given else None
    work = remote.Matching(first, second, NOVELTY, rows)
    engine = Engine(first, second, NOVELTY)
    chunks = [(k, min(k + 37, len(work))) for k in range(0, len(work), 37)]
    question = engine.question("match", tmp_path)
    here = work.answers(chunks, question, keep=None, workers=1, label="")
    with execution.on(two.address):
        there = work.answers(chunks, question, keep=tmp_path, workers=1, label="")
    for one, other in zip(here, there, strict=True):
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert len(list(tmp_path.glob("*.npz"))) == len(chunks) > 2


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
