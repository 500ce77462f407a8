"""``matscale train`` and ``matscale sample``: models that are told what we say."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from matscale.cli.options import REFUSED_ITEMS, check_writable, resumable


def train(
    process: Annotated[
        str, typer.Argument(help="What to train, such as 'flow'.", show_default=False)
    ],
    data: Annotated[
        str, typer.Option(help="Training set: a dataset name or a file.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Run folder.", show_default=False)],
    told: Annotated[
        str,
        typer.Option(
            help="Fields that the model is told: composition, and any of tc, space_group, volume, "
            "cell."
        ),
    ] = "composition",
    config: Annotated[Path | None, typer.Option(help="JSON or YAML file of settings.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, such as training.steps=2000; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Train a model of crystals; the same command resumes where it stopped."""
    _check_extra()
    from matscale.models.config import merged
    from matscale.models.entry import train as train_model

    values = merged(config, settings or [])
    with resumable():
        model = train_model(process, data, out=out, told=told, seed=seed, settings=values)
    record, learning = model.record, model.record.learning
    print(
        f"{record.process}: {learning.parameters:,} parameters, {record.data.crystals} crystals of "
        f"{record.data.name}, {learning.steps} steps in {learning.seconds:.0f} s"
    )
    where = shlex.quote(str(out))
    print(f"The model is in {out}. Next:")
    print(f"  matscale sample {where} --data {shlex.quote(data)} --out predictions.parquet")
    print(f"  matscale score reconstruction {where} --train {shlex.quote(data)}")


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder of a model.", show_default=False)],
    data: Annotated[
        str,
        typer.Option(
            help="Crystals of which the model is told: a dataset name or a file.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="File of crystals to write, such as predictions.parquet.")
    ],
    split: Annotated[str, typer.Option(help="Split of the dataset.")] = "test",
    candidates: Annotated[int, typer.Option(min=1, help="Crystals for each.")] = 1,
    null: Annotated[
        list[str] | None,
        typer.Option(help="Hold back a field that the model is told, such as tc; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Let a trained model make crystals."""
    _check_extra()
    check_writable(out)
    from matscale.models.entry import sample as sample_model
    from matscale.structures.formats import write

    made = sample_model(run, data, split=split, candidates=candidates, seed=seed, nulls=null or ())
    write(made.table, out)
    print(f"{len(made.table)} crystals are in {out}")
    for reason, count in made.refused_by_reason.items():
        print(f"{count} not made: {reason}", file=sys.stderr)
    if made.refusals:
        raise typer.Exit(REFUSED_ITEMS)


def _check_extra() -> None:
    """Make sure that what models need is installed.

    Raises:
        UserError: If it is not.
    """
    from importlib.util import find_spec

    from matscale.runtime.errors import missing_extra

    for name in ("torch", "lightning", "safetensors", "sklearn"):
        if find_spec(name) is None:
            raise missing_extra("models", "training or using a model")
