"""Headers of extended XYZ in all the ways that ASE accepts, compared with what ASE reads."""

import io
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.io.extxyz import key_val_str_to_dict
from hypothesis import example, given
from hypothesis import strategies as st

import matscale.structures.formats as formats
from hostile_samples import outcome, write
from matscale.structures.formats.extxyz import comment

CASES = Path(__file__).parent / "cases"
LATTICE = "4 0 0 0.5 4 0 0 0 4"
ATOMS = "Na 0 0 0\nCl 2 2 2\n"


def test_the_field_s_single_quotes():
    reading = formats.read(CASES / "x_single_quotes.extxyz")
    assert reading.table.to_pymatgen(0).formula == "Na1 Cl1"
    assert reading.table.volumes == pytest.approx([64])


@pytest.mark.parametrize(
    "header",
    [
        'Lattice="{}" Properties=species:S:1:pos:R:3',
        "Lattice='{}' Properties='species:S:1:pos:R:3' pbc='T T T'",
        "Lattice={{{}}} Properties=species:S:1:pos:R:3 pbc={{T T T}}",
        "Lattice=[{}] pbc=[T,T,T]",
        'Lattice = "{}" pbc = "T T T"',
        'Lattice="{}"\tProperties=species:S:1:pos:R:3\tpbc="T T F"',
        'converged Lattice="{}" name="it\\"s \\\\ a \\= b" formula=\'Na"Cl\'',
        'label="a = \'b\' Lattice=none" Lattice="{}"',
        "Lattice=' {} ' pbc='1 1 1'",
        'Lattice="{}" pbc=[True, True, True]   ',
        'energy=-1.5e-3 Lattice="{}" note=a\\ b\\=c forces_ok=F',
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_headers_that_ase_reads(tmp_path, header, ending):
    text = f"2\n{header.format(LATTICE)}\n{ATOMS}".replace("\n", ending)
    theirs = ase.io.read(io.StringIO(text.replace("\r", "")), format="extxyz")
    for data in (text.encode(), text.encode("utf-8-sig"), text.replace("2", " 2 ", 1).encode()):
        reading = outcome(write(tmp_path / "x.extxyz", data))
        assert not reading.refusals
        assert np.allclose(reading.table.cells[0], theirs.cell.array)
        assert np.allclose(reading.table.positions, theirs.positions)
        assert reading.table.numbers.tolist() == theirs.numbers.tolist()


@pytest.mark.parametrize(
    "header",
    [
        "Lattice=[[4, 0, 0], [0.5, 4, 0], [0, 0, 4]] Properties=species:S:1:pos:R:3",
        "Lattice=[ [4,0,0],[0.5,4,0],[0,0,4] ] pbc=[T, T, T]",
        'Lattice="[[4, 0, 0], [0.5, 4, 0], [0, 0, 4]]"',
    ],
)
def test_matrices_of_the_specification(tmp_path, header):
    """libAtoms' specification: the rows of a 3 × 3 Lattice are the cell vectors."""
    reading = outcome(write(tmp_path / "x.extxyz", f"2\n{header}\n{ATOMS}"))
    assert reading.table.cells[0].tolist() == [[4, 0, 0], [0.5, 4, 0], [0, 0, 4]]


@pytest.mark.parametrize(
    ("header", "reason", "detail"),
    [
        ("", "no cell", "without Lattice"),
        ("a molecule", "no cell", "without Lattice"),
        (f'Lattice="{LATTICE}" pbc="F F F"', "no cell", "pbc F F F"),
        (f"Lattice='{LATTICE}' pbc=[F, F, F]", "no cell", "pbc F F F"),
        (f'Lattice="{LATTICE}" pbc=F', "no cell", "pbc F F F"),
        ('Lattice="4 4 4"', "unreadable", "Lattice of 3 numbers, expected 9"),
        ('Lattice="a b c"', "unreadable", "could not convert"),
        ("Lattice", "unreadable", "could not convert"),
        (f'Lattice="{LATTICE}" Properties=pos:R:3', "unreadable", "no species and pos"),
        (f"Lattice='{LATTICE}", "", ""),
    ],
)
def test_frames_that_are_refused(tmp_path, header, reason, detail):
    reading = outcome(write(tmp_path / "x.extxyz", f"2\n{header}\n{ATOMS}"))
    assert reading.refused_by_reason == ({reason: 1} if reason else {})
    assert not reason or detail in reading.refusals[0].detail


WORDS = st.text("ab1.-_:\\\"'{}[]=, \t", min_size=0, max_size=14)
VALUES = st.one_of(
    st.from_regex(r"[a-z0-9.-]{1,6}", fullmatch=True),
    st.text("ab 1'{}[]=,.", max_size=8).map(lambda text: f'"{text}"'),
    st.text('ab 1"{}[]=,.', max_size=8).map(lambda text: f"'{text}'"),
    st.text("ab 1\"'[]=,.", max_size=8).map(lambda text: f"{{{text}}}"),
    st.text("ab 1\"'{}=,.", max_size=8).map(lambda text: f"[{text}]"),
    st.sampled_from(['"a\\"b"', "a\\ b", "'it\\'s'", "\\[x\\]"]),
)
PAIRS = st.lists(
    st.tuples(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.one_of(st.none(), VALUES)),
    max_size=5,
)


def unprocessed(line: str) -> dict[str, str]:
    """ASE's values as texts: a prefix makes every key one that is not turned into numbers."""
    import ase.io.extxyz as module

    keys = module.UNPROCESSED_KEYS
    module.UNPROCESSED_KEYS = type("All", (), {"__contains__": lambda *_: True})()
    try:
        return key_val_str_to_dict(line)
    finally:
        module.UNPROCESSED_KEYS = keys


@given(PAIRS, st.sampled_from([" ", "  ", "\t"]), st.sampled_from(["=", " = ", "= ", " ="]))
@example([("a", '""')], " ", "=")
def test_values_are_those_of_ase(pairs, blank, equals):
    line = blank.join(key if value is None else f"{key}{equals}{value}" for key, value in pairs)
    empty = any(value in ('""', "''", "{}", "[]") for _, value in pairs)
    if not empty:  # ASE takes the next word for the value of an empty one
        assert comment(line) == {key: value for key, value in unprocessed(line).items() if key}


@given(WORDS)
def test_no_header_breaks_the_reader(line):
    assert all(isinstance(value, str) for value in comment(line).values())


def test_a_long_header_takes_no_time():
    for text in ("[" * 100_000, '"' * 100_001, "a=" * 100_000, "\\" * 100_001, "[[1" * 50_000):
        assert isinstance(comment(text), dict)
