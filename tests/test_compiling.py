"""Kernels are compiled once: as parts of a whole, or as routines that wholes call by address."""

import gc

import numpy as np
import pytest
from numba import types
from numba.core import event

from matscale.matching.engine import Engine
from matscale.matching.kernels import compiling
from matscale.matching.kernels.compiling import ADDRESSES, Routine, allocating, kernel
from matscale.matching.outcomes import MatchSettings
from matscale.structures.table import StructureTable

VECTOR = types.float64[::1]


@kernel
def _scaled(values, factor, out):
    for i in range(len(values)):
        out[i] = factor * values[i]


@kernel
def _twice_and_thrice(values, out):
    _scaled(values, 2.0, out)
    _scaled(out, 3.0, out)


@allocating
def _six_times(values):
    out = np.empty_like(values)
    _twice_and_thrice(values, out)
    return out


def _added(values, constant, out):
    for i in range(len(values)):
        out[i] = values[i] + constant
    return len(values)


ADDED = Routine("a test", 7, types.int64(VECTOR, types.float64, VECTOR), _added, _nrt=False)
call_added = ADDED.call


@allocating
def _added_by_address(values, constant, addresses):
    out = np.empty_like(values)
    return call_added(addresses[7], (values, constant, out)), out


class Compilations(event.Listener):
    def __init__(self):
        self.functions: list[str] = []

    def on_start(self, started):
        self.functions.append(started.data["dispatcher"].py_func.__name__)

    def on_end(self, _):
        pass


def test_a_part_is_compiled_once_whatever_constants_it_is_called_with():
    values = np.arange(5.0)
    with event.install_listener("numba:compile", Compilations()) as seen:
        np.testing.assert_array_equal(_six_times.py_func(values), 6 * values)
        np.testing.assert_array_equal(_six_times(values), 6 * values)
    # Nothing at all where the whole is on disk from an earlier run.
    assert seen.functions.count("_scaled") <= 1


def test_python_may_call_a_part():
    out = np.empty(3)
    _twice_and_thrice(np.array([1.0, 2.0, -4.0]), out)
    assert out.tolist() == [6.0, 12.0, -24.0]


@pytest.mark.parametrize("constant", [1, 2.5])
def test_a_routine_is_called_by_its_address(constant):
    """A whole number is made a real one, as the signature says."""
    ADDED.ready()
    address = ADDRESSES[7]
    assert address != 0
    count, out = _added_by_address(np.arange(4.0), constant, ADDRESSES)
    assert count == 4 and out.tolist() == [constant, 1 + constant, 2 + constant, 3 + constant]
    ADDED.ready()
    assert ADDRESSES[7] == address


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_collected_while_something_is_compiled(enabled):
    attendant = compiling.Attendant()
    (gc.enable if enabled else gc.disable)()
    try:
        attendant.begin("a whole")
        attendant.begin("a part")
        attendant.end()
        assert not gc.isenabled()
        attendant.end()
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_a_terminal_is_told_what_was_compiled_and_how_long_it_took(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    times = iter([10.0, 11.0, 22.4, 30.0, 30.5])
    monkeypatch.setattr(compiling.time, "perf_counter", lambda: next(times))
    attendant = compiling.Attendant()
    attendant.begin("the search")
    attendant.begin("a part of it")
    attendant.end()
    attendant.end()
    attendant.begin("a trifle")
    attendant.end()
    said = capsys.readouterr().err.splitlines()
    assert said == ["compiling, once on this machine", "compiled the search in 12 s"]


def test_with_another_numba_kernels_are_compiled_by_themselves(monkeypatch):
    monkeypatch.setattr(compiling, "TESTED", ())

    @kernel
    def halved(values, out):
        for i in range(len(values)):
            out[i] = values[i] / 2

    @allocating
    def quartered(values):
        out = np.empty_like(values)
        halved(values, out)
        halved(out, out)
        return out

    assert halved._part is halved.whole
    assert quartered(np.array([4.0, 8.0])).tolist() == [1.0, 2.0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mode", ["direct", "anonymous"])
def test_an_error_in_a_routine_ends_the_search(mode):
    """No status is made up for a search that failed: here of cells without volume."""
    sites = [np.array([[0.0, 0, 0], [1, 1, 1]])] * 2
    table = StructureTable.from_parts(["a", "b"], [[6, 6]] * 2, sites, [3 * np.eye(3)] * 2)
    engine = Engine(table, table, MatchSettings(mode=mode, scale=False))
    prepared = engine.first
    for column in (prepared.parameters, prepared.cells, prepared.minima, prepared.volumes):
        column[:] = 0
    prepared.bounds[:] = [-1, 1e9]
    with pytest.raises(RuntimeError, match="a search for a match failed"):
        engine.run(np.array([0]), np.array([1]))
