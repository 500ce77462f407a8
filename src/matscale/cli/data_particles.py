"""``matscale data build|import|export|materials|template``: particles cut from crystals."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matscale.cli.options import (
    REFUSED_ITEMS,
    AsJson,
    Workers,
    check_writable,
    command_line,
    kept_beside,
)
from matscale.cli.particles import Data, Limit, Seed, Split, SplitChoice
from matscale.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from matscale.datasets.particles import ParticleSet
    from matscale.structures.table import StructureTable


class Benchmark(StrEnum):
    """Sets of particles that can be built."""

    c2np = "c2np"


class Layout(StrEnum):
    """How particles are written for others."""

    authors = "authors"
    extxyz = "extxyz"
    huggingface = "huggingface"


class RadiusSplit(StrEnum):
    """Whose radii."""

    c2np = "c2np"
    radii = "radii"


class MaterialSetName(StrEnum):
    """Sets of materials that can be made."""

    perov_h3 = "perov-h3"
    diverse = "diverse"
    radii_10 = "radii-10"


class ParticleTask(StrEnum):
    """Tasks that have a template."""

    crystal_to_particle = "crystal-to-particle"
    particle_to_crystal = "particle-to-crystal"


OutFolder = Annotated[
    Path, typer.Option(help="Folder for the set of particles.", show_default=False)
]
SetFolder = Annotated[
    Path, typer.Argument(help="A folder made by build or import.", show_default=False)
]


def data_build(
    benchmark: Annotated[Benchmark, typer.Argument(help="What to build.", show_default=False)],
    out: OutFolder,
    materials: Annotated[
        str,
        typer.Option(help="perov-h3, diverse, radii-10, or a file or folder of unit cells."),
    ] = "perov-h3",
    split: Annotated[
        RadiusSplit | None,
        typer.Option(
            help="Which benchmark's radii to use.", show_default="those of the material set"
        ),
    ] = None,
    centre: Annotated[
        str,
        typer.Option(
            help="Centre of the spheres: origin, centroid, or the index of an atom in the cell."
        ),
    ] = "origin",
    as_json: AsJson = False,
) -> None:
    """Cut particles from crystals, draw their rotations, and check for leakage."""
    from matscale.datasets.particles import MATERIAL_SETS, build_particles
    from matscale.structures.carving import centre_of_words

    middle = centre_of_words(centre)
    table, refused = _materials(materials)
    if not len(table):
        raise UserError(
            f"--materials {materials}: it holds no material to cut particles from "
            f"({refused[0] if refused else 'it holds no crystals'})"
        )
    known = MATERIAL_SETS.get(materials)
    same = _copies(table)
    particles = build_particles(
        table,
        name=materials if known else Path(materials).name,
        split=split.value if split else known.split if known else "c2np",
        centre=middle,
        same=same,
    )
    _save(particles, same, out, as_json, refused)
    if refused:
        raise typer.Exit(REFUSED_ITEMS)


def data_import(
    source: Annotated[
        Path,
        typer.Argument(
            help="The authors' raw data, or RADII's: a folder or archive.",
            show_default=False,
        ),
    ],
    out: OutFolder,
    split: Annotated[
        RadiusSplit, typer.Option(help="Which benchmark's radii to use.")
    ] = RadiusSplit.c2np,
    as_json: AsJson = False,
) -> None:
    """Import particles made by the authors of a benchmark, and check for leakage."""
    from matscale.datasets.particles.importing import import_particles, regrouped

    found = import_particles(source, name=source.name, split=split.value)
    same = _copies(found.particles.materials)
    refused = [f"{one.source}: {one.reason}, {one.detail}" for one in found.refusals]
    checked = {"files": found.submitted, "rotated": found.rotated, "agreeing": found.agreeing}
    _save(regrouped(found.particles, same), same, out, as_json, refused, files=checked)
    if found.rotated and not as_json:
        print(
            f"rotated files compared with the set's own rotations: {found.agreeing} of "
            f"{found.rotated} agree"
        )
    if refused:
        raise typer.Exit(REFUSED_ITEMS)


def data_export(
    folder: SetFolder,
    layout: Annotated[
        Layout, typer.Option(help="Layout of the exported files.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.", show_default=False)],
    material: Annotated[
        list[str] | None,
        typer.Option(help="Export this material only; may be repeated.", show_default="all"),
    ] = None,
    workers: Workers = None,
) -> None:
    """Export all particles as the authors' tree, extended XYZ, or Parquet for Hugging Face."""
    from matscale.datasets.particles import load_particles
    from matscale.datasets.particles.exporting import export_particles, only

    particles = load_particles(folder)
    if out.exists() and out.samefile(folder):
        raise UserError(f"--out {out} is the folder of the set itself: give another one")
    if material:
        particles = only(particles, material)
    count = export_particles(particles, layout.value, out, workers=workers, label="exporting")
    print(f"{count} particles of {len(particles.materials)} materials in {out}")


def data_materials(
    name: Annotated[MaterialSetName, typer.Argument(show_default=False)],
    out: Annotated[Path, typer.Option(help="File to write.", show_default=False)],
    relax: Annotated[
        str, typer.Option(help="Potential for perov-h3; none keeps the cells given by ionic radii.")
    ] = "chgnet",
) -> None:
    """Rebuild a bundled material set from scratch."""
    from matscale.datasets.particles import hydrides, literature, prototypes
    from matscale.structures.formats import write

    check_writable(out)
    if name == MaterialSetName.radii_10:
        table = literature.measured_materials()
    elif name == MaterialSetName.diverse:
        crystals = prototypes.prototype_crystals()
        table = prototypes.spread_over_symmetry(crystals, _copies(crystals))
    else:
        table = hydrides.hydride_perovskites()
        converged = None
        if relax != "none":
            table, converged = _relaxed(table, relax, out)
        table = hydrides.chosen(table, converged)
    write(table, out)
    print(f"{len(table)} crystals in {out}")


def data_template(
    task: Annotated[ParticleTask, typer.Argument(show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write: .csv for cells to fill in; for crystal-to-particle .extxyz for "
            "three example particles, or .csv for a list of what is asked for."
        ),
    ],
    data: Data = "perov-h3",
    split: Split = SplitChoice.radius,
    limit: Limit = None,
    seed: Seed = 0,
) -> None:
    """Write a template of a submission for the samples that score asks with these options.

    Scoring asks the same samples where it is given the same data, split, limit and seed.
    """
    from matscale.datasets.particles.template import write_template
    from matscale.tasks.particles.question import ROTATIONS, ask

    check_writable(out)
    if limit is None and task == ParticleTask.particle_to_crystal:
        limit = ROTATIONS
    question = ask(data, by=split.value, limit=limit, seed=seed)
    rows = write_template(task.value, question.particles, question.samples, out)
    print(f"{rows} rows in {out}, of {len(question)} samples that are asked for")


def show_particles(folder: Path, as_json: bool) -> None:
    """What is known of a set in a folder, and what leaks in it."""
    from matscale.datasets.particles.store import describe_particles, size_on_disk

    found = describe_particles(folder)
    size = size_on_disk(folder)
    if as_json:
        print(json.dumps({**found, "bytes": size}, indent=1))
        return
    print(f"{'name':<14}{found['name']}")
    print(f"{'on disk':<14}{size / 1e6:.2f} MB in {folder}")
    for split, radii in found["radii"].items():
        sizes = ", ".join(f"{radius:g}" for radius in radii)
        print(f"{split:<14}{found['samples'][split]} particles with {sizes} Å")
    for key, value in found["facts"].items():
        print(f"{key:<14}{value if isinstance(value, str) else json.dumps(value)}")
    print(f"{'sha256':<14}{found['sha256']}")
    print(f"{'leakage':<14}{'FOUND' if found['leakage']['found'] else 'none'}")
    for sentence in found["leakage"]["sentences"]:
        print(f"{'':<14}{sentence}")


def _materials(source: str) -> tuple[StructureTable, list[str]]:
    """Unit cells of a set or file, and why some were refused."""
    from matscale.datasets.particles import MATERIAL_SETS, material_set
    from matscale.structures.formats import read

    if source in MATERIAL_SETS:
        return material_set(source), []
    if not Path(source).exists():
        raise UserError(
            f"--materials {source!r} is neither a set ({', '.join(MATERIAL_SETS)}) nor a file; "
            "check the name"
        )
    reading = read(source)
    return reading.table, [f"{one.source}: {one.reason}, {one.detail}" for one in reading.refusals]


def _copies(table: StructureTable) -> np.ndarray:
    """Row of the first crystal that each one is the same as, (N,)."""
    from matscale.matching.batch import MatchSettings, group

    return group(table, MatchSettings(scale=False))[0]


def _relaxed(
    table: StructureTable, potential_name: str, out: Path
) -> tuple[StructureTable, np.ndarray]:
    from matscale.energy.potentials import potential
    from matscale.energy.relax import RelaxSettings, relax

    with kept_beside(out) as folder:
        done = relax(
            table,
            potential(potential_name),
            RelaxSettings(fmax=0.01),
            folder=folder,
            label="relaxing",
        )
    return done.table, done.converged


def _save(
    particles: ParticleSet,
    same: np.ndarray,
    out: Path,
    as_json: bool,
    refused: list[str],
    **facts: Any,
) -> None:
    from matscale.datasets.particles import leakage, save_particles
    from matscale.runtime.version import __version__

    leaks = leakage(particles, same)
    empty = particles.empty()
    save_particles(
        particles,
        out,
        leaks,
        command=command_line(),
        version=__version__,
        refused=len(refused),
        **facts,
        **({"empty": empty} if empty else {}),
    )
    if not as_json:
        if empty:
            print(_empty_in_words(empty))
        for line in refused[:10]:
            print(f"refused: {line}")
        if len(refused) > 10:
            print(f"refused: {len(refused) - 10} more")
    show_particles(out, as_json)


def _empty_in_words(empty: dict[str, list[float]]) -> str:
    some = [
        f"{name} at {', '.join(f'{radius:g}' for radius in radii)} Å"
        for name, radii in list(empty.items())[:3]
    ]
    more = f" and {len(empty) - 3} more materials" if len(empty) > 3 else ""
    return (
        f"{sum(map(len, empty.values()))} spheres hold no atom and give no particle: "
        f"{'; '.join(some)}{more}; --centre centroid puts atoms inside"
    )


def register(app: typer.Typer) -> None:
    """Add the commands to ``matscale data``."""
    app.command("build")(data_build)
    app.command("import")(data_import)
    app.command("export")(data_export)
    app.command("materials")(data_materials)
    app.command("template")(data_template)
