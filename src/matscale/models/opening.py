"""Run folders among predictions; looked for without torch, which is imported where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscale.models.run_folder import is_run


def opened(predictions: Any) -> Any:
    """Predictions in which run folders have become the models that they hold.

    Args:
        predictions: As ``matscale.score`` takes them.

    Raises:
        UserError: If a run folder cannot be opened.
    """
    if isinstance(predictions, str | Path) and is_run(predictions):
        from matscale.models.trained import open_model

        return open_model(predictions)
    if isinstance(predictions, list | tuple):
        return [opened(each) for each in predictions] if _any_run(predictions) else predictions
    return predictions


def _any_run(predictions: Any) -> bool:
    return any(isinstance(each, str | Path) and is_run(each) for each in predictions)
