"""What tests of damaged and malicious files write, and what may come of reading it."""

import io
import tarfile
import zipfile

import numpy as np

import matscale.structures.formats as formats
from matscale.runtime.errors import UserError

CIF = """data_salt
_cell_length_a 5.6
_cell_length_b 5.6
_cell_length_c 5.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 0 0 0 1.0
Cl1 0.5(1) 0.5 0.5 1
"""


def tar_of(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zip_of(members, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def outcome(path):
    """A sound reading, or None for a user error; anything else fails the test."""
    try:
        reading = formats.read(path)
    except UserError as error:
        assert str(error)
        assert "\n" not in str(error)
        return None
    numbers = sorted([*reading.items.tolist(), *(refusal.item for refusal in reading.refusals)])
    assert numbers == list(range(reading.submitted))
    assert {refusal.reason for refusal in reading.refusals} <= set(formats.REASONS)
    table = reading.table
    assert np.isfinite(table.positions).all()
    assert np.isfinite(table.cells).all()
    assert (table.n_atoms > 0).all()
    assert ((table.numbers >= 1) & (table.numbers <= 118)).all()
    return reading


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path
