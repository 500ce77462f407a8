"""Work over many items: order, processes, memory that survives, atomic files."""

import threading
import time

import numpy as np
import pytest

from matscale.runtime.execution import run, track
from matscale.runtime.files import replaced
from matscale.runtime.memory import Memory, content_key
from matscale.structures.table import StructureTable


def square(value: int) -> int:
    return value * value


def doubled(values: np.ndarray) -> dict[str, np.ndarray]:
    return {"twice": 2 * values, "words": np.array(["a", "bc"])}


@pytest.mark.parametrize("workers", [1, 2, None])
def test_answers_come_in_order(workers):
    assert list(run(square, list(range(20)), workers=workers)) == [k * k for k in range(20)]


@pytest.mark.parametrize("workers", [1, 2, 5, None])
def test_threads_answer_in_order_and_share_memory(workers):
    seen = []

    def noted(value: int) -> int:
        time.sleep(0.001 * (value % 3))
        seen.append(value)
        return value * value

    answers = run(noted, list(range(40)), workers=workers, threads=True)
    assert list(answers) == [k * k for k in range(40)]
    assert sorted(seen) == list(range(40))


def test_one_item_stays_in_the_calling_thread():
    for workers in (None, 4):
        (where,) = run(lambda _: threading.current_thread(), [0], workers=workers, threads=True)
        assert where is threading.current_thread()


def test_threads_are_not_far_ahead_and_stop_when_nobody_asks():
    begun = []
    answers = run(lambda k: begun.append(k), list(range(100)), workers=2, threads=True)
    next(answers)
    answers.close()
    time.sleep(0.05)
    assert len(begun) <= 6


def test_an_error_in_a_thread_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(run(lambda k: 1 // (k - 5), list(range(20)), workers=2, threads=True))


def cores_of_a_worker(_: int) -> list[bool]:
    """Whether the items of a run inside a worker all stay in its thread."""
    here = threading.current_thread()
    return list(run(lambda _: threading.current_thread() is here, range(9), threads=True))


def test_a_worker_does_not_start_workers_unasked():
    for inside in run(cores_of_a_worker, [0, 1], workers=2):
        assert all(inside)


def test_no_items_no_answers():
    assert list(run(square, [])) == []


def test_memory_asks_once_and_survives(tmp_path):
    items = [np.arange(3), np.arange(4), np.arange(3)]
    first = Memory(tmp_path, "1", workers=1).map(doubled, items)
    assert [a["twice"].tolist() for a in first] == [[0, 2, 4], [0, 2, 4, 6], [0, 2, 4]]
    assert len(list(tmp_path.glob("*.npz"))) == 2

    asked = []

    def recorded(values: np.ndarray) -> dict[str, np.ndarray]:
        asked.append(values)
        return doubled(values)

    recorded.__module__, recorded.__qualname__ = doubled.__module__, doubled.__qualname__
    again = Memory(tmp_path, "1", workers=1).map(recorded, items)
    assert not asked
    assert again[1]["words"].tolist() == ["a", "bc"]
    Memory(tmp_path, "2", workers=1).map(recorded, items)
    assert len(asked) == 2


def test_a_broken_file_in_the_memory_is_computed_again(tmp_path):
    Memory(tmp_path, "1", workers=1).map(doubled, [np.arange(3)])
    (path,) = tmp_path.glob("*.npz")
    for content in (b"", path.read_bytes()[:50], b"nonsense"):
        path.write_bytes(content)
        (answer,) = Memory(tmp_path, "1", workers=1).map(doubled, [np.arange(3)])
        assert answer["twice"].tolist() == [0, 2, 4]


def test_keys_tell_apart_what_differs():
    values = [
        1, 1.0, "1", None, True, (1, 2), (1, (2,)), ((1,), 2), "ab", ("a", "b"),
        np.array([1, 2]), np.array([1.0, 2.0]), np.array([[1, 2]]), StructureTable.empty(),
    ]  # fmt: skip
    keys = [content_key(value) for value in values]
    assert len(set(keys)) == len(keys)
    assert content_key(np.array([1, 2])) == content_key(np.array([1, 2]))
    with pytest.raises(TypeError, match="dict"):
        content_key({})


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replaced(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with replaced(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_progress_says_a_line_now_and_then_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("matscale.runtime.execution.LINE_EVERY_S", -1)
    assert list(track([1, 2], total=2, label="matching")) == [1, 2]
    assert capsys.readouterr().err == "matching: 1 of 2\nmatching: 2 of 2\n"
    assert list(track([1], total=1, label="")) == [1]
    assert capsys.readouterr().err == ""
