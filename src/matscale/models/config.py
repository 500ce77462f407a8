"""What a training is made of, typed; unknown keys are refused, and the whole is saved as used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matscale.runtime.errors import UserError, did_you_mean


class Settings(BaseModel):
    """Settings that are checked and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSettings(Settings):
    """Size of the network that the processes share.

    Attributes:
        width: Of all vectors.
        layers: Rounds of messages.
        harmonics: Of the plane waves as which an edge sees a difference of coordinates.
        dropout: Share of numbers that are left out in training.
        condition_dropout: Probability with which a told field is held back in training.
    """

    width: int = Field(default=96, ge=8)
    layers: int = Field(default=3, ge=1)
    harmonics: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    condition_dropout: float = Field(default=0.2, ge=0, lt=1)


class TrainingSettings(Settings):
    """How long and how a network learns.

    Attributes:
        steps: Updates of the weights.
        batch: Crystals in each.
        learning_rate: Highest; it rises over the first hundred steps and falls as a cosine.
        weight_decay: As AdamW has it (Loshchilov and Hutter, 2019).
        clip: Largest norm of a gradient.
        average: Decay of the moving average of the weights, which is what is kept.
        check_every: Steps from one validation and checkpoint to the next.
        patience: Validations without improvement after which training stops; None never does.
        devices: How many to train on at once.
        precision: As Lightning's ``Trainer`` takes it.
    """

    steps: int = Field(default=12000, ge=1)
    batch: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0)
    average: float = Field(default=0.999, ge=0, lt=1)
    check_every: int = Field(default=500, ge=1)
    patience: int | None = Field(default=None, ge=1)
    devices: int = Field(default=1, ge=1)
    precision: Literal["32", "16-mixed", "bf16-mixed"] = "32"


class RunSettings(Settings):
    """A training as it is saved in ``config.json``.

    Attributes:
        process: Key of the registry.
        told: Fields that the model is told.
        seed: Of weights, batches and noise.
        draws: Crystals that are drawn for each answer, of which the most frequent one is given.
        network: Its size.
        training: How it learns.
        options: What is the process's own, all of it.
    """

    process: str
    told: tuple[str, ...] = ("composition",)
    seed: int = Field(default=0, ge=0)
    draws: int = Field(default=8, ge=1)
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def told_beside_composition(self) -> tuple[str, ...]:
        """Fields that a network embeds."""
        return tuple(name for name in self.told if name != "composition")


def checked(kind: type[Settings], values: Mapping[str, Any], where: str) -> Any:
    """Settings of values.

    Args:
        kind: Of the settings.
        values: By name.
        where: They come from, for errors.

    Raises:
        UserError: If a name is unknown or a value is wrong.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "the whole"
        if first["type"] == "extra_forbidden":
            known = _known(kind, first["loc"][:-1])
            hint = did_you_mean(str(first["loc"][-1]), known)
            raise UserError(
                f"{where}: there is no setting {name!r}{hint} (settings are {', '.join(known)})"
            ) from None
        raise UserError(f"{where}: {name}: {first['msg']}; it is {first['input']!r}") from None


def _known(kind: Any, path: Sequence[str | int]) -> list[str]:
    """Names of the settings at a path of names."""
    for part in path:
        kind = kind.model_fields[str(part)].annotation
    return list(kind.model_fields)


def merged(file: str | Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """Settings of a file, changed by ``NAME=VALUE`` such as ``training.steps=2000``.

    Args:
        file: JSON or YAML; None for none.
        assignments: In order; values are read as JSON where they are, else as text.

    Raises:
        UserError: If the file or an assignment cannot be read.
    """
    values = _read(Path(file)) if file is not None else {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise UserError(f"--set {assignment!r}: give NAME=VALUE, such as training.steps=2000")
        level = values
        *folders, last = name.split(".")
        for part in folders:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise UserError(f"--set {assignment!r}: {part} is not a group of settings")
        level[last] = _value(text)
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _read(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"--config {file} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise UserError(f"--config {file} holds no settings; give names and values")
    return values
