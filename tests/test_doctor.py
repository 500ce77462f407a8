"""The doctor: a verdict on each extra, and what to do about it."""

import tomllib
from pathlib import Path

import pytest

from matscale import doctor

ROOT = Path(__file__).parent.parent


def pretend(folder: Path, monkeypatch, **modules: str) -> None:
    """Packages of the given content come first, in this process and in those that it starts."""
    for name, text in modules.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def light(monkeypatch):
    """The same without torch's real import, which takes seconds."""
    monkeypatch.setattr(doctor, "TOGETHER", (("torch", "chgnet"), ("distributed", "openai")))
    monkeypatch.setattr(
        doctor,
        "EXTRAS",
        {
            "energy": doctor.Extra(("torch", "chgnet"), "energies"),
            "models": doctor.Extra(("torch",), "tensors"),
            "cluster": doctor.Extra(("distributed", "not_there_at_all"), "many machines"),
            "perception": doctor.Extra(("openai",), "figures"),
        },
    )


TORCH = """
class cuda:
    is_available = staticmethod(lambda: True)
    get_device_name = staticmethod(lambda place: "H100")
"""


def test_ready_missing_and_broken_are_told_apart(tmp_path, monkeypatch, light, capsys):
    pretend(
        tmp_path, monkeypatch, torch=TORCH, distributed="",
        chgnet="raise ImportError('libcudart.so.12: cannot open')", openai="import os; os._exit(7)",
    )  # fmt: skip
    found = doctor.examine()
    verdicts = {name: one["verdict"] for name, one in found["extras"].items()}
    assert verdicts == {
        "energy": "broken", "models": "ready", "cluster": "missing", "perception": "broken",
    }  # fmt: skip
    assert "libcudart.so.12" in found["extras"]["energy"]["reason"]
    assert "code 7" in found["extras"]["perception"]["reason"]
    assert found["gpu"] == "H100"
    doctor.print_findings(found)
    said = capsys.readouterr().out
    assert "extra models              ready" in said
    assert "missing: pip install 'matscale[cluster]' (many machines)" in said


def test_an_import_without_end_is_broken(tmp_path, monkeypatch, light):
    pretend(
        tmp_path,
        monkeypatch,
        torch="import time; time.sleep(600)",
        chgnet="",
        distributed="",
        openai="",
    )
    monkeypatch.setattr(doctor, "PATIENCE_S", 1.0)
    found = doctor.examine()["extras"]
    assert found["models"]["verdict"] == "broken" and "1 s" in found["models"]["reason"]


def test_every_extra_of_the_project_is_examined():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"all"}
    tried = {module for modules in doctor.TOGETHER for module in modules}
    assert tried == {module for extra in doctor.EXTRAS.values() for module in extra.modules}
