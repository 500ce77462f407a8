"""What is read from pymatgen's files is what pymatgen has."""

from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY, WYCKOFF_POSITION_RELAB_DICT

from matscale.structures.pymatgen_data import aflow_prototypes, wyckoff_relabelings


def test_prototypes_are_pymatgens():
    own = aflow_prototypes()
    assert [label for label, _ in own] == [e["tags"]["aflow"] for e in AFLOW_PROTOTYPE_LIBRARY]
    for (_, structure), entry in zip(own, AFLOW_PROTOTYPE_LIBRARY, strict=True):
        assert structure.as_dict() == entry["snl"].structure.as_dict()


def test_relabelings_are_pymatgens():
    own = wyckoff_relabelings()
    assert sorted(own) == sorted(map(int, WYCKOFF_POSITION_RELAB_DICT))
    for group, tables in WYCKOFF_POSITION_RELAB_DICT.items():
        expected = [{int(code): letter for code, letter in table.items()} for table in tables]
        assert own[int(group)] == expected
