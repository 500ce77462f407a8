"""Figures: items, folders, blind rules, audit, clusters, the hub. Nothing here asks a model."""

import json
import math
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from figure_samples import CAPTIONS, choice, number_of, opened, picture, small_set
from matscale.cli import app
from matscale.datasets import hub
from matscale.figures import blind, duplicates
from matscale.figures.audit import audit
from matscale.figures.distractors import kind_of, kinds_of
from matscale.figures.folder import read_figures, write_figures
from matscale.figures.items import LABELS, REASONS, item_of
from matscale.metrics import clusters, statistics
from matscale.runtime.errors import Refused, UserError

# --- folders ------------------------------------------------------------------------------


def test_names_that_are_made_up_do_not_meet_those_of_files(tmp_path):
    items = [
        choice(k, question=f"Figure {k}?", file_name=name, paper_folder_name="one")
        for k, name in enumerate(("g.png", "g.png#2", "g.png"))
    ]
    folder = tmp_path / "multi_scale_mcq" / "train"
    folder.mkdir(parents=True)
    for name in ("g.png", "g.png#2"):
        (folder / name).write_bytes(picture(len(name)))
    rows = [json.dumps({**one.row(), "index": None}) for one in items]
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    ids = [figure.id for figure in read_figures(tmp_path).figures]
    assert len(ids) == len(set(ids)) == 3


# --- blind rules and distractors ---------------------------------------------------------


def test_the_medoid_finds_a_caption_that_others_were_made_from():
    for place in range(4):
        shown = [*CAPTIONS[1:]]
        shown.insert(place, CAPTIONS[0])
        assert np.argmax(blind.medoid(shown)) == place
        assert blind.medoid(shown)[place] == 1.0


@given(st.lists(st.text("ab 1", min_size=1, max_size=12), min_size=4, max_size=4))
def test_rules_give_chances_whatever_the_order(captions):
    for rule in (*blind.FLOORS.values(), blind.shortest):
        picks = rule(captions)
        assert picks.sum() == pytest.approx(1) and (picks >= 0).all()
        # A rule that sees texts only cannot care where they stand.
        assert np.allclose(rule(captions[::-1]), picks[::-1])


def test_ties_are_shared():
    assert np.allclose(blind.longest(["aa", "bb", "c", "d"]), [0.5, 0.5, 0, 0])
    assert np.allclose(blind.shortest(["aa", "bb", "c", "d"]), [0, 0, 0.5, 0.5])
    assert np.allclose(blind.chance(list("abcd")), 0.25)


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("SEM image of Fe", "TEM image of Fe", "technique"),
        ("the HRTEM of the oxides", "the AFM of the oxides", "technique"),
        ("ZrB2 and Al atom", "ZrB2 and Sc atom", "element"),
        ("ZrB2 nanoparticle", "TiB2 nanoparticle", "element"),
        ("copper matrix", "nickel matrix", "element"),
        ("grains of 10 nm", "grains of 20 nm", "number"),
        ("annealed at 950 °C", "annealed at 1050 °C", "number"),
        ("SEM of Fe", "TEM of Ni", "several"),
        ("before deformation", "after deformation", "wording"),
        ("In the matrix", "At the matrix", "wording"),
    ],
)
def test_kinds_of_distractors(right, wrong, kind):
    assert kind_of(right, wrong) == kind


def test_kinds_of_an_item():
    assert kinds_of(choice(0)) == {"B": "technique", "C": "element", "D": "number"}
    assert kinds_of(opened(0)) == {}


# --- items -------------------------------------------------------------------------------


def row(**changes):
    return {**choice(0).row(), **changes}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "unreadable row"),
        ([1], "unreadable row"),
        (row(index="x"), "unreadable row"),
        (row(scale="Nanoscale"), "unknown scale"),
        (row(scale=None), "unknown scale"),
        (row(options=choice(0).row()["options"][:3]), "options not four"),
        (row(options=[{"label": k, "caption": "same"} for k in "ABCD"]), "options not four"),
        (row(options=[{"label": k, "caption": k} for k in "ABCE"]), "options not four"),
        (row(options="[{broken"), "options not four"),
        (row(options=[{"label": "A"}]), "options not four"),
        (row(correct_answer="E"), "answer not a label"),
        (row(correct_answer=None), "answer not a label"),
        (opened(0).row() | {"describe_paragraph": " "}, "no reference"),
        (opened(0).row() | {"image_caption": ""}, "no reference"),
        (number_of(0).row() | {"truth": math.nan}, "no truth"),
        (number_of(0).row() | {"question": ""}, "no truth"),
        ({"file_name": "x.png", "index": 1, "scale": "AtomScale"}, "no question"),
    ],
)
def test_rows_that_cannot_be_asked(value, reason):
    with pytest.raises(Refused) as refused:
        item_of(value)
    assert refused.value.reason == reason
    assert reason in REASONS


def test_nested_values_may_be_text_and_paragraphs_lists():
    item = item_of(row(options=json.dumps(choice(0).row()["options"]), correct_answer=" a "))
    assert item == choice(0)
    two = item_of(opened(0).row() | {"describe_paragraph": ["One.", "Two."]})
    assert two.describe_paragraph == "One. Two."


# --- folders -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    write_figures(tmp_path / "set", small_set())
    return tmp_path / "set"


def test_a_folder_reads_back_as_written(folder):
    reading = read_figures(folder)
    assert not reading.refusals
    items = [item for item, _ in small_set()]
    assert sorted(f.item.file_name for f in reading.figures) == sorted(i.file_name for i in items)
    by_name = {figure.item.file_name: figure.item for figure in reading.figures}
    assert all(by_name[item.file_name] == item for item in items)
    assert [len(reading.of(kind)) for kind in ("mcq", "open", "numeric")] == [8, 4, 4]


def test_the_hash_is_of_content_alone(folder, tmp_path):
    first = read_figures(folder).sha256()
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert read_figures(tmp_path / "elsewhere").sha256() == first
    metadata = folder / "multi_scale_mcq/train/metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("of 20 nm", "of 30 nm"))
    assert read_figures(folder).sha256() != first


def test_a_config_or_a_split_alone_can_be_read(folder):
    for part in ("multi_scale_mcq", "multi_scale_mcq/train"):
        assert len(read_figures(folder / part).figures) == 8


def test_datasets_of_hugging_face_opens_the_folder(folder):
    loading = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
    found = loading.load_dataset("imagefolder", data_dir=str(folder / "multi_scale_mcq"))
    assert found["train"].num_rows == 8
    assert found["train"][0]["image"].size == (96, 72)


def test_damaged_items_are_refused_and_counted(folder):
    place = folder / "multi_scale_mcq/train"
    (place / "choice-0.png").unlink()
    (place / "choice-1.png").write_bytes(b"no picture")
    (place / "choice-2.png").write_bytes(picture(2)[:200])
    rows = (place / "metadata.jsonl").read_text().splitlines()
    other = json.loads(rows[3]) | {"paper_folder_name": "another", "index": 90}
    again = json.loads(rows[4]) | {"index": 91}
    outside = json.loads(rows[5]) | {"file_name": "../../../secret.png", "index": 92}
    (folder.parent / "secret.png").write_bytes(picture(50))
    rows += [*map(json.dumps, (other, again, outside)), "{broken", "[]"]
    (place / "metadata.jsonl").write_text("\n".join(rows))
    reading = read_figures(folder / "multi_scale_mcq")
    assert reading.refused_by_reason == {
        "no image": 2,
        "broken image": 2,
        "unreadable row": 2,
        "duplicate figure": 1,
        "repeated item": 1,
    }
    assert reading.submitted == 13 and len(reading.figures) == 5
    assert any("metadata.jsonl:10" in refusal.source for refusal in reading.refusals)


def test_one_picture_in_two_forms_is_one_picture(tmp_path):
    items = [
        (choice(0), picture(7)),
        (choice(4, file_name="copy.bmp", paper_folder_name="x"), picture(7, "BMP")),
    ]
    write_figures(tmp_path, items)
    assert read_figures(tmp_path).refused_by_reason == {"duplicate figure": 1}


def test_prepared_lists_of_the_authors(folder, tmp_path):
    rows = []
    for figure in read_figures(folder / "multi_scale_mcq").figures:
        values = figure.item.row()
        values["figure_path"] = f"examples/figures/{values.pop('file_name')}"
        rows.append(values)
    repository = tmp_path / "repository"
    (repository / "examples/data").mkdir(parents=True)
    (repository / "examples/data/sample.json").write_text(json.dumps(rows))
    assert read_figures(repository / "examples/data/sample.json").refused_by_reason == {
        "no image": 8
    }
    shutil.copytree(folder / "multi_scale_mcq/train", repository / "examples/figures")
    reading = read_figures(repository / "examples/data/sample.json")
    assert len(reading.figures) == 8 and not reading.refusals


def test_what_is_no_set_of_figures_is_said(tmp_path):
    with pytest.raises(UserError, match="no file or folder"):
        read_figures(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no figures"):
        read_figures(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UserError, match="no JSON list"):
        read_figures(tmp_path)


def test_writing_refuses_what_it_would_spoil(folder, tmp_path):
    with pytest.raises(UserError, match="already holds figures"):
        write_figures(folder, small_set())
    with pytest.raises(ValueError, match="two images"):
        write_figures(tmp_path / "a", [(choice(0), picture(0)), (choice(0), picture(1))])
    with pytest.raises(ValueError, match="answer not a label"):
        write_figures(tmp_path / "b", [(choice(0, correct_answer="E"), picture(0))])


# --- audit -------------------------------------------------------------------------------


def test_audit_finds_what_was_planted(tmp_path):
    items = small_set(choices=16, opens=4, numbers=0)
    # One figure again, larger and in another paper; and a right answer that is always longest.
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.open(BytesIO(items[0][1])).resize((192, 144)).save(buffer, "PNG")
    items.append((choice(20, file_name="large.png"), buffer.getvalue()))
    write_figures(tmp_path, items)
    found = audit(tmp_path)
    assert found.kinds == {"open": 4, "mcq": 17}
    assert found.positions == {"A": 5, "B": 4, "C": 4, "D": 4}
    assert found.distractors == {"technique": 17, "element": 17, "number": 17}
    assert ("mcq/choice-0.png", "mcq/large.png", True) in found.alike
    reach = {(one.rule, one.scale): one for one in found.reach}
    assert reach["chance", "all"].value == 0.25
    # All distractors are single edits of the true caption, so the medoid finds it every time.
    assert reach["medoid", "all"].value == 1.0
    assert reach["medoid", "all"].n == 17
    assert reach["medoid", "AtomScale"].n == 5
    assert any("medoid" in line for line in found.lines())


def test_audit_of_the_published_samples(data_dir):
    found = audit(data_dir / "perception")
    assert found.rows == 6 and found.refused == {"no image": 6}
    assert found.kinds == {"mcq": 4, "open": 2}
    assert found.positions == dict.fromkeys(LABELS, 1)
    assert found.text_only
    assert sum(found.distractors.values()) == 12
    reach = {one.rule: one for one in found.reach if one.scale == "all"}
    assert reach["medoid"].value == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_audit_on_the_command_line(folder):
    done = CliRunner().invoke(app, ["figures", "audit", str(folder), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["kinds"] == {"open": 4, "mcq": 8, "numeric": 4}
    assert (
        "right without looking" in CliRunner().invoke(app, ["figures", "audit", str(folder)]).stdout
    )


def test_near_pairs():
    hashes = np.array([0, 0b111, 2**64 - 1, 0b1111_1111], np.uint64)
    assert duplicates.near_pairs(hashes, 3).tolist() == [[0, 1]]
    assert duplicates.near_pairs(hashes, 5).tolist() == [[0, 1], [1, 3]]
    assert len(duplicates.near_pairs(np.empty(0, np.uint64))) == 0


# --- clusters ----------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=1, max_size=30))
def test_clustered_mean_is_the_mean_with_weights_of_clusters(pairs):
    values = np.array([value for value, _ in pairs])
    names = clusters.numbered([str(name) for _, name in pairs])
    sums, counts = clusters.totals(values, names)
    weights = np.random.default_rng(0).integers(0, 3, (7, len(sums))).astype(float)
    wanted = statistics.mean(values, weights[:, names])
    assert np.allclose(clusters.mean(sums, counts, weights), wanted, equal_nan=True)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=15), st.integers(0, 2**32))
def test_weighted_median_is_that_of_repeated_values(values, seed):
    array = np.array(values)
    weights = np.random.default_rng(seed).integers(0, 4, len(array))
    repeated = np.sort(np.repeat(array, weights))
    found = clusters.median(array, weights[None, :].astype(float))[0]
    if not len(repeated):
        assert np.isnan(found)
    else:
        assert found == repeated[(len(repeated) - 1) // 2]


def test_intervals_by_paper_are_wider_when_figures_of_a_paper_agree():
    values = np.repeat(np.arange(20) % 2, 5).astype(float)
    names = np.repeat(np.arange(20), 5)
    sums, counts = clusters.totals(values, names)
    by_paper = statistics.bootstrap(lambda w: clusters.mean(sums, counts, w), 20, seed=0)
    by_figure = statistics.bootstrap(lambda w: statistics.mean(values, w), 100, seed=0)
    # Standard errors of a proportion of one half: sqrt(1/4/20) and sqrt(1/4/100).
    assert by_paper.std() == pytest.approx(0.1118, rel=0.1)
    assert by_figure.std() == pytest.approx(0.05, rel=0.1)


# --- the hub -----------------------------------------------------------------------------


def test_fetching_from_a_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MATSCALE_DATA", raising=False)
    with pytest.raises(UserError, match="matscale data fetch csmbench"):
        hub.find_hub("csmbench")
    done = CliRunner().invoke(app, ["data", "fetch", "csmbench", "--from", str(folder)])
    assert done.exit_code == 0, done.output
    target = hub.find_hub("csmbench")
    assert target == tmp_path / "cache/datasets/csmbench"
    assert len(read_figures(target).of("mcq")) == 8
    with pytest.raises(UserError, match="lacks multi_scale"):
        hub.fetch_hub("csmbench", source=folder / "multi_scale")
    with pytest.raises(UserError, match="no such folder"):
        hub.fetch_hub("csmbench", source=tmp_path / "absent")


def test_fetching_from_the_hub_asks_for_its_repository(folder, tmp_path, monkeypatch):
    client = pytest.importorskip("huggingface_hub", reason="the perception extra is not installed")
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path / "cache"))
    asked = {}

    def download(**options):
        asked.update(options)
        shutil.copytree(folder, options["local_dir"], dirs_exist_ok=True)

    monkeypatch.setattr(client, "snapshot_download", download)
    target = hub.fetch_hub("csmbench")
    assert (asked["repo_id"], asked["repo_type"]) == ("lututu/CSMBench", "dataset")
    assert len(read_figures(target).of("open")) == 4

    def fail(**options):
        raise ConnectionError("no route")

    monkeypatch.setattr(client, "snapshot_download", fail)
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path / "other"))
    with pytest.raises(UserError, match=r"no route.*--from FOLDER"):
        hub.fetch_hub("csmbench")
