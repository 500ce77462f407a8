"""Which of several draws comes first."""

from crystals import described_otherwise, perovskite, rock_salt, rutile, wurtzite
from matscale.models.consensus import most_frequent_first
from matscale.structures.table import StructureTable


def table(structure):
    return StructureTable.from_pymatgen([structure])


def test_the_most_frequent_crystal_comes_first_and_each_once_before_any_comes_again():
    salt, other = rock_salt(5.6, "Na", "Cl"), wurtzite(3.8, 6.2, "Na", "Cl")
    cubic = perovskite(3.9, "Sr", "Ti", "O")
    first = [other, salt, described_otherwise(salt, 1), described_otherwise(salt, 2)]
    draws = [[table(each) for each in first], [table(cubic)], []]
    ordered = most_frequent_first(draws)
    places = [[own.index(each) for each in new] for own, new in zip(draws, ordered, strict=True)]
    assert places == [[1, 0, 2, 3], [0], []]


def test_draws_that_are_all_different_stay_as_they_were_drawn():
    prototypes = [rutile(4.6, 2.95, "Ti", "O"), wurtzite(3.25, 5.2, "Zn", "O")]
    prototypes += [perovskite(3.9, "Sr", "Ti", "O"), rock_salt(4.2, "Mg", "O")]
    draws = [table(each) for each in prototypes]
    assert most_frequent_first([draws]) == [draws]
