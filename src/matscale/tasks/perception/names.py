"""What predictors are called in tables and files."""

from __future__ import annotations

from pathlib import Path

from matscale.results.store import SUFFIX, load
from matscale.runtime.errors import UserError

TRUTH = "truth"
IMAGE = "image_processing"
"""What is made for drawn figures and sees nothing but them: their ceiling."""
BLIND = " blind"
"""What is put behind the name of a model that was not shown the figures."""
TOLD: dict[str, tuple[str, ...]] = {
    "chance": (),
    "medoid": ("options",),
    "longest": ("options",),
    "caption": ("caption",),
    "foreign": (),
    IMAGE: ("figure", "options", "question"),
}
"""What matscale's own predictors see of a figure."""


def model_name(model: str) -> str:
    """What a model is called in tables and files: without its provider."""
    return model.split("/", 1)[-1].replace("/", "_")


def check_provider(model: str) -> None:
    """Make sure that a model is named with its provider.

    Raises:
        UserError: If it is not.
    """
    provider, slash, name = model.partition("/")
    if not (provider and slash and name):
        lacking = "model" if provider and slash else "provider"
        raise UserError(f"model {model!r} names no {lacking}; write it as PROVIDER/MODEL")


def check_model(model: str) -> None:
    """Make sure that a model is named with its provider, and unlike matscale's own predictors.

    Raises:
        UserError: If it is not.
    """
    check_provider(model)
    called = model_name(model)
    if called in (TRUTH, *TOLD) or called.endswith(BLIND) or called.startswith((".", " ")):
        raise UserError(
            f"model {model!r} would be called {called!r} in tables and files, which is a name of "
            "matscale's own; ask it under another name"
        )


def check_same_model(folder: Path, model: str) -> None:
    """Refuse to replace the results of another provider's model of the same name.

    Raises:
        UserError: If the folder holds such results.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        result = load(path)
        other = result.settings.get("model")
        if result.predictor.name == model_name(model) and other not in (None, model):
            raise UserError(
                f"{folder} holds results of {other} under the name {model_name(model)!r} "
                f"({path.name}), which those of {model} would replace: give another folder "
                "with --out"
            )
