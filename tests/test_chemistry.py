"""Compositions, the modified Pettifor scale and lattice parameters, against pymatgen."""

import numpy as np
import pytest
from ase.data import atomic_numbers
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice

from matscale.structures import cells, chemistry, elements

counts = st.dictionaries(st.integers(1, 103), st.integers(1, 12), min_size=1, max_size=5)


@given(counts)
def test_formulas_are_pymatgens(counts):
    cell = tuple(sorted(counts.items()))
    pymatgen = Composition({chemistry.chemical_symbols[z]: count for z, count in cell})
    reduced = chemistry.reduced(cell)
    # pymatgen writes elements that form molecules as such (H2); the greatest divisor does not.
    factor = np.gcd.reduce(list(counts.values()))
    assert dict(reduced) == {z: count // factor for z, count in counts.items()}
    assert chemistry.anonymous_formula(cell) == pymatgen.anonymized_formula
    assert chemistry.formula(cell) == pymatgen.reduced_formula


def test_composition_counts_atoms():
    assert chemistry.composition(np.array([8, 22, 38, 8, 8])) == ((8, 3), (22, 1), (38, 1))


def test_pettifor_scale_has_the_published_length_and_known_places():
    z = atomic_numbers
    assert sorted(chemistry.PETTIFOR[1:104]) == list(range(103))
    # Glawe et al. 2016, figure 4, as in the look-up table of the ElMD package.
    assert [chemistry.PETTIFOR[z[s]] for s in ("He", "Cs", "Sc", "Fe", "C", "H")] == [
        0, 7, 47, 70, 86, 102,
    ]  # fmt: skip
    assert chemistry.pettifor_distance(z["Ti"], z["Zr"]) == 2
    assert chemistry.pettifor_distance(z["Rf"], z["Zr"]) == chemistry.UNKNOWN_ELEMENT_DISTANCE
    assert chemistry.pettifor_distance(z["Rf"], z["Rf"]) == 0


@given(
    st.tuples(*[st.floats(2, 20)] * 3),
    st.tuples(*[st.floats(65, 115)] * 3),
)
def test_lattice_parameters_are_pymatgens(lengths, angles):
    matrix = Lattice.from_parameters(*lengths, *angles).matrix
    assert cells.lattice_parameters(matrix[None])[0] == pytest.approx((*lengths, *angles))


def test_descriptors_of_elements_are_the_tabulated_ones_in_standard_deviations():
    z, found = atomic_numbers, elements.descriptors()
    assert found[1:95].mean(axis=0) == pytest.approx(0, abs=0.1)
    assert found[1:95].std(axis=0) == pytest.approx(1, abs=0.1)
    # Pauling: F 3.98, O 3.44, Cs 0.79; Cordero et al.: Cs 2.44, O 0.66, F 0.57 Å.
    steps = found[z["F"]] - found[z["O"]], found[z["F"]] - found[z["Cs"]]
    assert steps[0][:2] / steps[1][:2] == pytest.approx([0.54 / 3.19, -0.09 / -1.87], rel=1e-6)
    # Neon has no electronegativity, rutherfordium no place on the Pettifor scale.
    assert found[z["Ne"], 0] == found[z["Rf"], 2] == 0


def test_elements_of_one_group_are_alike():
    z = atomic_numbers
    assert elements.unlikeness(z["Zr"], z["Zr"]) == 0
    apart = elements.unlikeness(np.array([z["Zr"]]), np.array([z[s] for s in ("Hf", "Ti", "O")]))
    assert apart[0] < apart[1] < apart[2]
