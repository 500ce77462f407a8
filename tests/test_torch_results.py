"""What ``torch.save`` writes: tensors are read, objects beside them are not, and nothing runs."""

import argparse
import io
import os
import pickle
import sys
import time
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matscale.structures.formats as formats
from hostile_samples import outcome, write
from matscale.structures.formats import pickle_text, torch_file

torch = pytest.importorskip("torch")

CASES = Path(__file__).parent / "cases"
CRYSTALS = {
    "frac_coords": torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]]),
    "atom_types": torch.tensor([55, 17, 29]),
    "num_atoms": torch.tensor([2, 1]),
    "lengths": torch.tensor([[4.12, 4.12, 4.12], [2.55, 2.55, 2.55]]),
    "angles": torch.tensor([[90.0, 90, 90], [60, 60, 60]]),
}


@pytest.fixture
def foreign():
    """A module of classes that this machine has not, as torch_geometric and omegaconf are."""
    module = types.ModuleType("torch_geometric")
    exec(
        "class DataBatch:\n    pass\n"
        "class Config(dict):\n    pass\n"
        "class Tags(list):\n    pass\n"
        "class Reduced:\n    def __init__(self, *a): self.a = a\n"
        "    def __reduce__(self): return (Reduced, self.a, {'state': 1})\n"
        "def made(*a): return Reduced(*a)\n",
        module.__dict__,
    )
    for value in vars(module).values():
        if isinstance(value, type | types.FunctionType):
            value.__module__ = "torch_geometric"
    sys.modules["torch_geometric"] = module
    yield module
    del sys.modules["torch_geometric"]


def beside(foreign) -> dict:
    """What evaluation scripts save beside the crystals."""
    batch = foreign.DataBatch()
    batch.x, batch.ptr, batch.path = torch.ones(3, 2), [torch.arange(3)], Path("/x")
    return {
        "eval_setting": argparse.Namespace(model_path="/x", num_evals=1, batch=batch),
        "input_data_batch": batch,
        "config": foreign.Config(a=foreign.Tags([1, {2, 3}]), b=frozenset([4])),
        "more": [foreign.Reduced(1, batch), OrderedDict(a=torch.zeros(2)), np.float64(2.5)],
        "time": np.float32(1.5),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "complex": 1j,
        "numbers": np.arange(4),
        ("a", "tuple"): 1,
        7: b"bytes",
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_beside_the_tensors_are_left_alone(tmp_path, foreign, zipped, protocol):
    torch.save(
        {**beside(foreign), **CRYSTALS, **{f"z{key}": 1 for key in range(300)}},
        tmp_path / "x.pt",
        _use_new_zipfile_serialization=zipped,
        pickle_protocol=protocol,
    )
    for name in list(sys.modules):
        if name == "torch_geometric":
            sys.modules[name] = types.ModuleType(name)
    reading = formats.read(tmp_path / "x.pt")
    assert not reading.refusals
    assert reading.unnamed == 2
    assert reading.table.ids.tolist() == ["x-0", "x-1"]
    assert reading.table.numbers.tolist() == [55, 17, 29]
    # CsCl has a cubic cell of 4.12 Å; the primitive cell of fcc copper is (2.55 Å)³ / √2.
    assert reading.table.volumes == pytest.approx([4.12**3, 2.55**3 / 2**0.5], rel=1e-5)


@pytest.mark.parametrize("name", ["t_real_diff.pt", "eval_diff.pt"])
def test_the_field_s_files(name):
    reading = formats.read(CASES / name)
    found = [reading.table.to_pymatgen(row).formula for row in range(len(reading.table))]
    assert found[0] == "Cs1 Cl1"
    assert len(found) == 2
    assert not reading.refusals


def test_no_torch_is_needed(tmp_path, monkeypatch):
    torch.save(CRYSTALS, tmp_path / "x.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert len(formats.read(tmp_path / "x.pt").table) == 2


def test_dimensions_and_lists_count_evaluations(tmp_path):
    """DiffCSP and CDVAE stack evaluations; FlowMM lists them, and says which crystal each is of."""
    stacked = {key: torch.stack([value, value]) for key, value in CRYSTALS.items()}
    torch.save(stacked, tmp_path / "x.pt")
    read = formats.read(tmp_path / "x.pt").table
    assert read.ids.tolist() == ["x-0", "x-1", "x-0", "x-1"]
    assert read.columns["evaluation"].tolist() == [0, 0, 1, 1]
    listed = {key: [value, value] for key, value in CRYSTALS.items()}
    listed["batch_indices"] = [torch.tensor([1, 0]), torch.tensor([0, 1])]
    torch.save(listed, tmp_path / "x.pt")
    read = formats.read(tmp_path / "x.pt").table
    assert read.ids.tolist() == ["x-0", "x-1", "x-0", "x-1"]
    assert read.columns["evaluation"].tolist() == [0, 0, 1, 1]
    assert read.numbers.tolist() == [29, 55, 17, 55, 17, 29]
    torch.save({key: value[0] for key, value in listed.items()}, tmp_path / "x.pt")
    read = formats.read(tmp_path / "x.pt").table
    assert (read.ids.tolist(), dict(read.columns)) == (["x-0", "x-1"], {})


@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    dtype=st.sampled_from(
        ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64"]
    ),
    seed=st.integers(0, 99),
    zipped=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_views_have_torch_s_values(shape, dtype, seed, zipped):
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randint(0, 100, shape, generator=generator).to(getattr(torch, dtype))
    views = [whole, whole.T if len(shape) == 2 else whole.flatten()[1:], whole[..., ::2]]
    if whole.numel():
        views.append(whole.flatten()[:1].expand(5, 1))
    saved = io.BytesIO()
    parameter, array = torch.nn.Parameter(torch.ones(2)), whole.double().numpy()
    content = {"views": views, "parameter": parameter, "array": array}
    torch.save(content, saved, _use_new_zipfile_serialization=zipped)
    opened = torch_file.opened(saved.getvalue())
    for view, found in zip(views, opened.content["views"], strict=True):
        assert np.array_equal(opened.array(found), view.double().numpy())
    assert opened.array(opened.content["parameter"]).tolist() == [1, 1]
    assert np.array_equal(pickle_text.array(opened.content["array"]), array)


# --- hostile files -------------------------------------------------------------------------


class Bomb:
    """Runs a command when it is unpickled, by every way that there is."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def packed(program: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """A zip as of torch around a pickle."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("x/data.pkl", program)
        archive.writestr("x/byteorder", b"little")
        for key, values in (storages or {}).items():
            archive.writestr(f"x/data/{key}", values)
    return data.getvalue()


def older(program: bytes) -> bytes:
    """The older form around a pickle, without storages."""
    parts = [torch_file.MAGIC, 1001, {"little_endian": True}]
    return b"".join(pickle.dumps(part, 2) for part in parts) + program + pickle.dumps([], 2)


@pytest.mark.parametrize("pack", [packed, older], ids=["zip", "older"])
@pytest.mark.parametrize("key", ["frac_coords", "input_data_batch", "num_atoms"])
@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_commands_do_not_run(tmp_path, pack, key, protocol):
    path = tmp_path / "ran"
    program = pickle.dumps({key: Bomb(path), "a": [Bomb(path)]}, protocol)
    outcome(write(tmp_path / "x.pt", pack(program)))
    assert not path.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'touch RAN'\ntR.",
        b"(S'touch RAN'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch RAN'\no.",
        b'cbuiltins\neval\n(S\'open("RAN", "w")\'\ntR.',
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\ttouch RAN\x85R.",
        # A class whose state is set, and a function of this package whose code is.
        b"\x80\x02cmatscale.structures.formats.pickle_text\n_tensor\n}U\x08__code__K\x01s}\x86b.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}U\x0c__defaults__K\x01s\x86b0}.",
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNU\x09touch RAN\x85NtR.",
        b"\x80\x02\x82\x01.",
        b"\x80\x05\x97.",
    ],
)
def test_programs_do_not_run(tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    for data in (packed(program), older(program)):
        outcome(write(tmp_path / "x.pt", data))
        assert not (tmp_path / "RAN").exists()


def laughs(count: int) -> bytes:
    """A list of ten lists of ten lists ..., ``count`` deep, in few bytes."""
    return b"\x80\x02(X\x0b\x00\x00\x00frac_coords]q\x00" + b"".join(
        b"](" + b"h%c" % level * 10 + b"eq%c" % (level + 1) for level in range(count)
    ) + b"X\x09\x00\x00\x00num_atoms]X\x0a\x00\x00\x00atom_types]d."  # fmt: skip


@pytest.mark.parametrize(
    "program",
    [
        laughs(40),
        b"\x80\x02(X\x0b\x00\x00\x00frac_coords]q\x00h\x00aX\x09\x00\x00\x00num_atomsh\x00"
        b"X\x0a\x00\x00\x00atom_typesh\x00d.",
        b"(" * 1_000_000 + b".",
        b"\x80\x02" + b")\x85" * 1_000_000 + b".",
        b"\x80\x02" + b")" + b"\x85" * 1_000_000 + b"Ns}(" + b".",
        b"\x80\x02}" + b")" + b"\x85" * 1_000_000 + b"Ns.",
        b"\x80\x02}q\x00" + b"h\x00h\x00s" * 100_000 + b".",
        b"\x80\x02c_codecs\nencode\nq\x00]" + b"h\x00X\x01\x00\x00\x00a\x85Ra" * 10_000 + b".",
        b"p99999999999999999999\nN.",
        b"\x8b\xff\xff\xff\x7f.",
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b".", b"", b"\x00", b"e.", b"t.", b"R.", b"b.", b"0.", b"\x93.",
    ],
)  # fmt: skip
def test_absurd_programs_end_at_once(tmp_path, program):
    start = time.monotonic()
    for data in (packed(program), older(program)):
        outcome(write(tmp_path / "x.pt", data))
    assert time.monotonic() - start < 30


def crystals(shape, strides, offset=0, key="0", values=b"\0" * 48) -> bytes:
    """Crystals whose fractions are one tensor with a shape and strides of our own."""
    program = b"\x80\x02(X\x0b\x00\x00\x00frac_coordsctorch._utils\n_rebuild_tensor_v2\n"
    arguments = ((), offset, shape, strides, False, None)
    stored = pickle.dumps(("storage", "KIND", key, "cpu", 12), 2)[2:-1]
    stored = stored.replace(b"X\x04\x00\x00\x00KIND", b"ctorch\nFloatStorage\n")
    stored = stored.replace(b"q\x00", b"").replace(b"q\x01", b"").replace(b"q\x02", b"")
    stored = stored.replace(b"q\x03", b"").replace(b"q\x04", b"").replace(b"q\x05", b"")
    rest = b"".join(pickle.dumps(part, 2)[2:-1] for part in arguments[1:])
    program += b"(" + stored + b"Q" + rest + b"tR"
    for name in ("atom_types", "num_atoms"):
        program += pickle.dumps(name, 2)[2:-1] + b"](K\x01K\x01e"
    program += b"d."
    return packed(program, {"0": values})


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((1 << 40, 3), (0, 0), 0),
        ((4, 3), (3, 1), 5),
        ((4, 3), (1 << 60, 1), 0),
        ((1 << 61, 3), (1, 1), 0),
        ((-4, 3), (3, 1), 0),
        ((4, 3), (-3, 1), 11),
        ((4, 3), (3,), 0),
        ((4.0, 3), (3, 1), 0),
        ((1,) * 70, (1,) * 70, 0),
        ((4, 3), (3, 1), 1 << 70),
        ((None, 3), (3, 1), 0),
    ],
)
def test_tensors_that_their_storage_does_not_hold(tmp_path, shape, strides, offset):
    path = write(tmp_path / "x.pt", crystals(shape, strides, offset))
    assert outcome(path).refused_by_reason == {"unreadable": 1}


def test_storages_that_are_not_there(tmp_path):
    for key in ("1", "../../x/data/0", "", "0" * 70000):
        path = write(tmp_path / "x.pt", crystals((4, 3), (3, 1), key=key))
        assert outcome(path).refused_by_reason == {"unreadable": 1}


def test_a_storage_that_unpacks_to_much_more_is_refused(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"frac_coords": 1}, 2))
        archive.writestr("x/data/0", b"\0" * (64 << 20))
    assert outcome(write(tmp_path / "x.pt", data.getvalue())).refused_by_reason == {"too large": 1}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older"])
def test_truncated_anywhere(tmp_path, foreign, zipped):
    saved = io.BytesIO()
    torch.save({**beside(foreign), **CRYSTALS}, saved, _use_new_zipfile_serialization=zipped)
    data = saved.getvalue()
    for cut in range(0, len(data), max(1, len(data) // 80)):
        reading = outcome(write(tmp_path / "x.pt", data[:cut]))
        assert reading is None or reading.refusals or not zipped


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_program_brings_out_a_traceback(tmp_path_factory, program, zipped):
    path = tmp_path_factory.getbasetemp() / "program.pt"
    outcome(write(path, packed(program) if zipped else older(program)))
