"""Learning: Lightning drives it, checkpoints are whole, and what is resumed ends the same.

What a step learns from and all of its noise are drawn from the seed and the step's number, so that
a training that was killed goes on from its last checkpoint to the weights that it would have had.
"""

from __future__ import annotations

import csv
import math
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from matscale.models.config import RunSettings, TrainingSettings
from matscale.models.crystals import Crystal, joined
from matscale.models.process import Process
from matscale.models.threads import one_thread
from matscale.runtime.errors import UserError
from matscale.runtime.execution import track
from matscale.runtime.files import replaced

CHECKPOINT = "checkpoint.ckpt"
LOG = "log.csv"
WARM_UP = 100
"""Steps over which the learning rate rises."""
LAST_RATE = 0.02
"""Share of the learning rate that is left at the end."""
VALIDATION_DRAWS = 4
"""Times that each validation crystal is noised, always with the same noise."""

LEARNING, VALIDATION = 1, 2  # streams of draws that must differ


def learn(
    process: Process,
    crystals: Sequence[Crystal],
    held_out: Sequence[Crystal],
    settings: RunSettings,
    folder: Path,
) -> dict[str, Any]:
    """Train a process; its weights become the average over the last steps.

    A checkpoint in the folder is gone on from. The log is a row per validation.

    Args:
        process: Whose weights are changed.
        crystals: To learn from.
        held_out: To validate on; may be empty.
        settings: Of the run.
        folder: For checkpoint and log.

    Returns:
        ``steps`` taken, ``seconds`` they took, over all attempts, ``rows`` of the log, and the
        ``device``.

    Raises:
        UserError: If the loss is no longer a number, or memory runs out; the last checkpoint
            stays.
    """
    learner = _Learner(process, crystals, held_out, settings)
    checkpoint = folder / CHECKPOINT
    with _quiet(), one_thread(), _explained(settings.training, checkpoint):
        trainer = _trainer(settings, folder)
        trainer.fit(learner, ckpt_path=str(checkpoint) if checkpoint.exists() else None)
    process.eval()
    return {
        "steps": trainer.global_step,
        "seconds": learner.seconds,
        "rows": learner.rows,
        "device": str(trainer.strategy.root_device),
    }


def _trainer(settings: RunSettings, folder: Path) -> lightning.Trainer:
    training = settings.training
    return lightning.Trainer(
        default_root_dir=folder,
        max_epochs=math.ceil(training.steps / training.check_every),
        # Apple's graphics processors lack the double precision that cells need.
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=training.devices,
        precision=training.precision,
        gradient_clip_val=training.clip,
        callbacks=[
            EMAWeightAveraging(decay=training.average, use_buffers=False),
            _Watch(folder, settings),
        ],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
    )


class _Steps(Dataset[tuple[int, list[Crystal]]]):
    """The crystals of each step from one validation to the next."""

    def __init__(self, crystals: Sequence[Crystal], settings: RunSettings, epoch: int) -> None:
        training = settings.training
        self._crystals, self._settings = crystals, settings
        self._first = epoch * training.check_every
        self._count = min(training.check_every, training.steps - self._first)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> tuple[int, list[Crystal]]:
        if place >= self._count:
            raise IndexError(place)
        step = self._first + place
        return step, [
            self._crystals[row]
            for row in rows_of_step(
                step, self._settings.training.batch, len(self._crystals), self._settings.seed
            )
        ]


def rows_of_step(step: int, batch: int, count: int, seed: int) -> list[int]:
    """Which crystals a step learns from: permutations of all, one after the other.

    Args:
        step: From 0.
        batch: Crystals in each step.
        count: Crystals there are.
        seed: Of the run.
    """
    rows: list[int] = []
    place = step * batch
    while len(rows) < batch:
        turn, within = divmod(place, count)
        order = np.random.default_rng([seed, LEARNING, turn]).permutation(count)
        taken = order[within : within + batch - len(rows)].tolist()
        rows += taken
        place += len(taken)
    return rows


class _Learner(lightning.LightningModule):
    """A process as Lightning trains it."""

    def __init__(
        self,
        process: Process,
        crystals: Sequence[Crystal],
        held_out: Sequence[Crystal],
        settings: RunSettings,
    ) -> None:
        super().__init__()
        self.process = process
        self._crystals, self._held_out, self._settings = crystals, held_out, settings
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self.parts: list[dict[str, Tensor]] = []
        self.validation: list[tuple[float, int]] = []

    def train_dataloader(self) -> DataLoader:
        steps = _Steps(self._crystals, self._settings, self.current_epoch)
        return DataLoader(steps, batch_size=None, shuffle=False)

    def val_dataloader(self) -> DataLoader | list[Any]:
        if not self._held_out:
            return []
        size = self._settings.training.batch
        parts = [self._held_out[k : k + size] for k in range(0, len(self._held_out), size)]
        return DataLoader([(k, list(part)) for k, part in enumerate(parts)], batch_size=None)  # type: ignore[arg-type]

    def training_step(self, given: tuple[int, list[Crystal]], _: int) -> Tensor:
        step, crystals = given
        random = np.random.default_rng([self._settings.seed, LEARNING, step, 0])
        torch.manual_seed(int(random.integers(2**31)))  # of dropout
        batch = self.process.conditioning.held_back(joined(crystals).to(self.device), random)
        parts = self.process.loss(crystals, batch, random)
        total = torch.stack(list(parts.values())).sum()
        if not torch.isfinite(total):
            raise UserError(
                f"the loss of step {step} is {float(total)}: nothing more can be learnt; lower "
                "training.learning_rate and train anew"
            )
        self.parts.append({name: part.detach() for name, part in parts.items()})
        return total

    def validation_step(self, given: tuple[int, list[Crystal]], _: int) -> None:
        place, crystals = given
        random = np.random.default_rng([self._settings.seed, VALIDATION, place])
        batch = joined(crystals).to(self.device)
        for _draw in range(VALIDATION_DRAWS):
            parts = self.process.loss(crystals, batch, random)
            total = float(torch.stack(list(parts.values())).sum())
            self.validation.append((total, len(crystals)))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        return batch  # crystals stay where they are; what is told of them is moved

    def configure_optimizers(self) -> Any:
        training = self._settings.training
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_at(step, training.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["matscale"] = {"rows": self.rows, "seconds": self.seconds}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint["matscale"]
        self.rows, self.seconds = list(kept["rows"]), kept["seconds"]


def rate_at(step: int, steps: int) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine."""
    rise = min(1.0, (step + 1) / WARM_UP)
    fall = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return rise * (LAST_RATE + (1 - LAST_RATE) * fall)


class _Watch(Callback):
    """Shows how far training is; validates, logs, keeps a checkpoint, and stops early."""

    def __init__(self, folder: Path, settings: RunSettings) -> None:
        self._folder, self._settings = folder, settings

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        steps = self._settings.training.steps
        left = range(trainer.global_step, steps)
        self._ticks = track(left, total=len(left), label=f"training {self._settings.process}")
        self._began = time.perf_counter()
        next(self._ticks, None)

    def on_train_batch_end(self, *_: Any) -> None:
        next(self._ticks, None)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        now = time.perf_counter()
        module.seconds += now - self._began
        self._began = now
        module.rows.append(_row(trainer.global_step, module))
        module.parts.clear()
        module.validation.clear()
        if trainer.is_global_zero:
            _write_log(module.rows, self._folder / LOG)
        partial = self._folder / f".{CHECKPOINT}.{os.getpid()}"
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self._folder / CHECKPOINT)
        patience = self._settings.training.patience
        if patience is not None and _stale(module.rows) >= patience:
            trainer.should_stop = True

    def on_train_end(self, *_: Any) -> None:
        for _tick in self._ticks:
            break
        self._ticks.close()  # type: ignore[attr-defined]


def _row(step: int, module: _Learner) -> dict[str, float]:
    row = {"step": float(step), "seconds": round(module.seconds, 1)}
    for name in module.parts[0]:
        row[name] = float(torch.stack([parts[name] for parts in module.parts]).mean())
    row["training"] = sum(row[name] for name in module.parts[0])
    if module.validation:
        totals, weights = np.array(module.validation).T
        row["validation"] = float(np.average(totals, weights=weights))
    return row


def _stale(rows: Sequence[dict[str, float]]) -> int:
    """Validations since the best one."""
    losses = [row["validation"] for row in rows if "validation" in row]
    return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


def _write_log(rows: Sequence[dict[str, float]], file: Path) -> None:
    with replaced(file) as partial, partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice."""
    import logging

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _explained(training: TrainingSettings, checkpoint: Path) -> Iterator[None]:
    """Say in a sentence that memory ran out."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and "out of memory" not in str(error).lower():
            raise
        kept = f"; {checkpoint} is kept" if checkpoint.exists() else ""
        raise UserError(
            f"memory ran out in a step of {training.batch} crystals: train with a smaller "
            f"training.batch or network.width{kept}"
        ) from None
