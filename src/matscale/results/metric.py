"""What a metric is: declared once beside its measure, written into each result."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Better = Literal["higher", "lower"]


class MetricSpec(BaseModel):
    """A metric, described so that a table, a page or a comparison needs to know nothing else.

    Attributes:
        name: Key in a result's metrics.
        label: What tables call it.
        unit: Of the stored value; "" for a share or a dimensionless number.
        better: Which direction is better.
        percent: Whether the stored value is a fraction that is shown in per cent.
        definition: One sentence, with thresholds formatted in from the constants.
        missing: Why a value may be missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    label: str
    unit: str = ""
    better: Better
    percent: bool = False
    definition: str = ""
    missing: str = ""
