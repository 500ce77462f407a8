"""Sets of particles that tests make themselves."""

from crystals import perovskite, rock_salt, rutile, wurtzite
from matscale.structures.table import StructureTable


def a_few_materials() -> StructureTable:
    structures = {
        "SrTiO3": perovskite(3.905, "Sr", "Ti", "O"),
        "KMgF3": perovskite(3.99, "K", "Mg", "F"),
        "NaCl": rock_salt(5.64, "Na", "Cl"),
        "TiO2": rutile(4.594, 2.959, "Ti", "O"),
        "ZnO": wurtzite(3.25, 5.21, "Zn", "O"),
    }
    return StructureTable.from_pymatgen(structures.values(), list(structures))
