"""Sets of figures from strangers: links, names that lead elsewhere, odd text, odd images."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from figure_samples import choice, picture, small_set
from matscale.cli import app
from matscale.figures.duplicates import perceptual_hash
from matscale.figures.folder import image_sha256, read_figures, write_figures
from matscale.figures.images import FORMATS, pixels, sendable
from matscale.runtime.errors import Refused, UserError


@pytest.fixture
def folder(tmp_path):
    write_figures(tmp_path / "set", small_set(8, 0, 0))
    return tmp_path / "set"


# --- rows --------------------------------------------------------------------------------


def with_row(folder, **changes):
    """The set with one more row, whose caption is new; texts go in as JSON escapes them."""
    file = folder / "multi_scale_mcq/train/metadata.jsonl"
    row = {**choice(0).row(), "index": 9, "source": "other", **changes}
    file.write_text(file.read_text() + json.dumps(row) + "\n")
    return folder


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"file_name": "a\0b.png"}, "no image"),
        ({"file_name": "a" * 5000}, "no image"),
        ({"file_name": "\x1b[31mred.png"}, "no image"),
        ({"file_name": "../train/../../secret.png"}, "no image"),
        ({"file_name": "a\ud800.png"}, "unreadable row"),
        ({"source": "x\ud83d"}, "unreadable row"),
        ({"options": "[" * 100_000}, "options not four"),
    ],
)
def test_hostile_rows_are_refused_and_counted(folder, changes, reason):
    (folder.parent / "secret.png").write_bytes(picture(50))
    found = read_figures(with_row(folder, **changes))
    assert found.refused_by_reason == {reason: 1} and len(found.figures) == 8
    found.sha256()
    done = CliRunner().invoke(app, ["figures", "audit", str(folder)])
    assert done.exit_code == 0, done.output
    assert f"{reason}: 1" in done.stdout
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert max(map(len, done.stdout.splitlines())) < 400


def test_a_source_cannot_forge_lines_of_the_audit(folder):
    name = "choice-0.png"
    with_row(folder, file_name=name, source="\x1b[31mred\nforged: 99", paper_folder_name="paper-0")
    done = CliRunner().invoke(app, ["figures", "audit", str(folder)])
    assert "\\x1b[31mred\\nforged: 99" in done.stdout
    assert not any(line.startswith("forged") for line in done.stdout.splitlines())


def test_a_line_nested_too_deep_and_a_byte_order_mark(folder):
    file = folder / "multi_scale_mcq/train/metadata.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes() + b"[" * 200_000)
    found = read_figures(folder)
    assert found.refused_by_reason == {"unreadable row": 1} and len(found.figures) == 8


# --- where images lie --------------------------------------------------------------------


def test_a_snapshot_of_the_hub_is_links_to_blobs(folder, tmp_path):
    """``snapshots/COMMIT/FILE`` links to ``../../blobs/HASH``, which has no ending."""
    blobs, snapshot = tmp_path / "hub/blobs", tmp_path / "hub/snapshots/main"
    blobs.mkdir(parents=True)
    for number, file in enumerate(sorted(one for one in folder.rglob("*") if one.is_file())):
        shutil.copy(file, blobs / f"{number:040x}")
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / f"{number:040x}", link.parent))
    found = read_figures(snapshot)
    assert len(found.figures) == 8 and not found.refusals
    assert found.sha256() == read_figures(folder).sha256()
    assert all(one.image.suffix == ".png" for one in found.figures)


def listed(place, name):
    row = {**choice(0).row(), "figure_path": str(name)}
    row.pop("file_name")
    place.mkdir(parents=True, exist_ok=True)
    (place / "list.json").write_text(json.dumps([row]))
    return read_figures(place / "list.json")


def test_a_list_names_images_in_its_repository_only(tmp_path):
    place = tmp_path / "home/repository/examples/data"
    inside, outside = tmp_path / "home/repository/a/x.png", tmp_path / "home/private.png"
    for file in (inside, outside):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(1))
    for name in ("a/x.png", inside, "../../a/x.png"):
        assert [one.image for one in listed(place, name).figures] == [inside.resolve()]
    for name in (outside, "../../../private.png", "../private.png", "/etc/hostname", ""):
        assert listed(place, name).refused_by_reason == {"no image": 1}


# --- what images are ---------------------------------------------------------------------

RAMP = np.arange(1000, 1000 + 64 * 48 * 4, 4).reshape(48, 64)


@pytest.mark.parametrize(
    ("values", "ending"),
    [
        (RAMP.astype(np.uint16), "tif"),
        (RAMP.astype(np.uint16), "png"),
        (RAMP.astype(np.int32), "tif"),
        (RAMP.astype(np.float32), "tif"),
    ],
)
def test_deep_images_keep_their_greys(tmp_path, values, ending):
    path = tmp_path / f"deep.{ending}"
    Image.fromarray(values).save(path)
    grey = np.asarray(pixels(path), int)
    wanted = 255 * (RAMP - RAMP.min()) / np.ptp(RAMP)
    assert grey.shape == (48, 64, 3) and np.abs(grey[..., 0] - wanted).max() <= 1
    flat = tmp_path / "flat.png"
    Image.new("RGB", (64, 48), "white").save(flat)
    assert image_sha256(path) != image_sha256(flat)
    assert perceptual_hash(path) != perceptual_hash(flat)
    assert sendable(path).startswith("data:image/png;base64,")


def test_what_is_sent_is_called_what_it_is(tmp_path):
    for form, kind in [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp"), ("BMP", "png")]:
        path = tmp_path / f"{form}.gif"
        path.write_bytes(picture(1, form))
        assert sendable(path).startswith(f"data:image/{kind};base64,")
    named = tmp_path / "right.PNG"
    named.write_bytes(picture(1))
    assert sendable(named) == str(named)


def test_rare_formats_and_bombs_are_refused(tmp_path, monkeypatch):
    assert set(FORMATS) == {"PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"}
    (tmp_path / "x.png").write_bytes(picture(1, "PPM"))
    with pytest.raises(Refused, match="broken image"):
        pixels(tmp_path / "x.png")
    (tmp_path / "large.png").write_bytes(picture(1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 72 // 3)
    with pytest.raises(Refused, match="broken image"):
        pixels(tmp_path / "large.png")


@pytest.mark.filterwarnings("error")
def test_a_large_plate_is_no_bomb(tmp_path, monkeypatch):
    (tmp_path / "plate.png").write_bytes(picture(1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 72 - 1)
    assert pixels(tmp_path / "plate.png").size == (96, 72)
    perceptual_hash(tmp_path / "plate.png")


# --- the commands ------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["", "afile"])
def test_drawing_into_no_folder_is_said_in_a_sentence(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    words = ["figures", "build", "--out", out, "--count", "1", "--workers", "1"]
    done = CliRunner().invoke(app, words)
    assert type(done.exception).__name__ == "UserError"
    assert ("is a file" if out else "--out is empty") in str(done.exception)
    with pytest.raises(UserError, match="cannot make the folder"):
        write_figures(tmp_path / "afile/set", small_set(1, 0, 0))
    assert [one.name for one in tmp_path.iterdir()] == ["afile"]


def test_the_data_commands_know_the_sets_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path))
    monkeypatch.delenv("MATSCALE_DATA", raising=False)
    told = json.loads(CliRunner().invoke(app, ["data", "info", "csmbench", "--json"]).stdout)
    assert told["path"] is None and "arXiv:2603.19327" in told["citation"][0]
    every = json.loads(CliRunner().invoke(app, ["data", "list", "--json"]).stdout)
    assert every[-1] == told and all(one.keys() == told.keys() for one in every)
    assert "csmbench" in CliRunner().invoke(app, ["data", "list"]).stdout
    done = CliRunner().invoke(app, ["data", "fetch", "csmbench", "--sha256", "a=b", "--from", "x"])
    assert "--sha256 is for" in str(done.exception)
