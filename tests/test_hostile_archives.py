"""Damaged and malicious archives: paths that lead out, links, cuts, bombs, sizes that lie."""

import gzip
import io
import json
import random
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

import matscale.structures.formats as formats
from hostile_samples import CIF, outcome, tar_of, write, zip_of
from matscale.structures.formats import pymatgen_dict


def test_paths_that_lead_out_are_refused_and_nothing_is_written(tmp_path):
    names = [
        "../out.cif",
        "/etc/out.cif",
        "a/../../out.cif",
        "C:\\out.cif",
        "..\\out.cif",
        "ok.cif",
    ]
    packed = write(tmp_path / "x.zip", zip_of(dict.fromkeys(names, CIF)))
    before = sorted(tmp_path.rglob("*"))
    reading = outcome(packed)
    assert reading.table.ids.tolist() == ["ok"]
    assert reading.refused_by_reason == {"unsafe path": 5}
    reading = outcome(write(tmp_path / "x.tar", tar_of(dict.fromkeys(names, CIF.encode()))))
    assert reading.refused_by_reason == {"unsafe path": 5}
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "x.tar"])


def test_links_in_archives_are_refused(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"link{kind.decode()}.cif")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert outcome(write(tmp_path / "x.tar", packed.getvalue())).refused_by_reason == {
        "unsafe path": 3
    }
    info = zipfile.ZipInfo("link.cif")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    reading = outcome(write(tmp_path / "x.zip", packed.getvalue()))
    assert reading.refused_by_reason == {"unsafe path": 1}


def test_encrypted_members_are_refused(tmp_path):
    data = bytearray(zip_of({"x.cif": CIF, "y.cif": CIF}, zipfile.ZIP_STORED))
    # Bit 0 of the flags, at offset 6 of the local and 8 of the central header of the first.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    reading = outcome(write(tmp_path / "x.zip", bytes(data)))
    assert reading.refused_by_reason == {"encrypted": 1}
    assert reading.table.ids.tolist() == ["y"]


def test_truncated_zip_keeps_what_stood_before(tmp_path):
    data = zip_of({f"{index}.cif": CIF for index in range(10)})
    reading = outcome(write(tmp_path / "x.zip", data[: len(data) // 2]))
    kept = len(reading.table)
    assert kept >= 4
    assert reading.table.ids.tolist() == [str(index) for index in range(kept)]
    assert reading.refused_by_reason == {"truncated": 1}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz"])
def test_truncated_tar_keeps_what_stood_before(tmp_path, suffix):
    rng = random.Random(0)
    members = {f"{i}.cif": f"# {rng.randbytes(300).hex()}\n{CIF}".encode() for i in range(10)}
    data = tar_of(members)
    data = data if suffix == "tar" else gzip.compress(data)
    reading = outcome(write(tmp_path / f"x.{suffix}", data[: int(len(data) * 0.5)]))
    assert 3 <= len(reading.table) <= 7
    assert set(reading.refused_by_reason) == {"truncated"}


def test_truncated_jsonl_gz_keeps_whole_lines(tmp_path):
    rng = random.Random(0)
    line = json.dumps(pymatgen_dict.build(np.array([14]), np.zeros((1, 3)), np.eye(3) * 2.7))
    lines = [f'{{"id": "{rng.randbytes(50).hex()}", "structure": {line}}}' for _ in range(200)]
    data = gzip.compress("\n".join(lines).encode())
    reading = outcome(write(tmp_path / "x.jsonl.gz", data[: len(data) // 2]))
    assert 50 <= len(reading.table) <= 150
    assert reading.refused_by_reason == {"truncated": 1}


def test_damaged_member_is_refused_alone(tmp_path):
    data = bytearray(zip_of({"x.cif": CIF, "y.cif": CIF}))
    data[60:80] = bytes(20)
    reading = outcome(write(tmp_path / "x.zip", bytes(data)))
    assert reading.table.ids.tolist() == ["y"]
    assert reading.refused_by_reason == {"unreadable": 1}


def test_archives_that_unpack_beyond_a_limit(tmp_path):
    bomb = CIF + "#" * (64 << 20)
    limits = formats.Limits()
    path = write(tmp_path / "x.zip", zip_of({"bomb.cif": bomb, "ok.cif": CIF}))
    reading = formats.read(path, limits=limits)
    assert reading.table.ids.tolist() == ["ok"]
    assert reading.refused_by_reason == {"too large": 1}
    for name, data in (
        ("x.cif.gz", gzip.compress(bomb.encode())),
        ("x.tar.gz", gzip.compress(tar_of({"bomb.cif": bomb.encode()}))),
    ):
        assert outcome(write(tmp_path / name, data)).refused_by_reason == {"too large": 1}


def test_total_and_member_limits_hold(tmp_path):
    members = {f"{index}.cif": CIF for index in range(10)}
    path = write(tmp_path / "x.zip", zip_of(members))
    total = formats.read(path, limits=formats.Limits(total_bytes=int(4.5 * len(CIF))))
    assert (len(total.table), total.refused_by_reason) == (4, {"too large": 6})
    member = formats.read(path, limits=formats.Limits(member_bytes=len(CIF) - 1))
    assert member.refused_by_reason == {"too large": 10}
    count = formats.read(path, limits=formats.Limits(members=3))
    assert (len(count.table), count.refused_by_reason) == (3, {"too large": 1})
    atoms = formats.read(path, limits=formats.Limits(atoms=7))
    assert atoms.refused_by_reason == {"too large": 10}


def test_a_member_without_a_name_is_refused(tmp_path):
    data = bytearray(zip_of({"x": CIF, "y.cif": CIF}))
    central = data.index(b"PK\x01\x02")
    data[central + 28 : central + 30] = struct.pack("<H", 0)
    data[central + 30 : central + 32] = struct.pack("<H", 1)  # the name becomes an extra field
    reading = outcome(write(tmp_path / "x.zip", bytes(data)))
    assert reading.table.ids.tolist() == ["y"]
    assert reading.refused_by_reason == {"unsafe path": 1}


def test_a_size_that_lies_is_found_out(tmp_path):
    data = bytearray(zip_of({"x.cif": CIF + "#" * (40 << 20)}))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 500)
    reading = outcome(write(tmp_path / "x.zip", bytes(data)))
    assert reading.refused_by_reason == {"unreadable": 1}


def test_archives_deep_in_each_other(tmp_path):
    data = zip_of({"x.cif": CIF})
    assert len(outcome(write(tmp_path / "one.zip", zip_of({"a.zip": data}))).table) == 1
    for _ in range(8):
        data = zip_of({"a.zip": data})
    assert outcome(write(tmp_path / "x.zip", data)).refused_by_reason == {"too large": 1}


def test_gzip_of_many_streams_is_one_file(tmp_path):
    half = len(CIF) // 2
    data = gzip.compress(CIF[:half].encode()) + gzip.compress(CIF[half:].encode())
    assert len(outcome(write(tmp_path / "x.cif.gz", data)).table) == 1
    assert zlib.decompress(data, 31) == CIF[:half].encode()
