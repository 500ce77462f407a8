"""The verdict on each generated crystal: duplicate of training, derived by substitution, neither.

After Negishi and Walsh, arXiv 2606.23166: a crystal is a duplicate if a training crystal matches
it; substituted if a training crystal on whose sites its elements are put matches it once relaxed;
else unmatched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from matscale.matching import batch
from matscale.matching.outcomes import Counts
from matscale.matching.wyckoff.positions import WyckoffTable
from matscale.runtime.exact import settled
from matscale.tasks.novelty.distances import nearest
from matscale.tasks.novelty.search import ANONYMOUS, WYCKOFF, Candidates, find_candidates
from matscale.tasks.novelty.settings import CURVE
from matscale.tasks.novelty.stages import Moved, Stages
from matscale.tasks.novelty.training import Described

INVALID, DUPLICATE, SUBSTITUTED, UNMATCHED, FAILED = (
    "invalid",
    "duplicate",
    "substituted",
    "unmatched",
    "failed",
)
CLASSES = (DUPLICATE, SUBSTITUTED, UNMATCHED, INVALID, FAILED)
BOTH = "both"
KINDS = (BOTH, ANONYMOUS, WYCKOFF)


@dataclass(frozen=True)
class Verdicts:
    """What was found about the N reduced crystals, (N,) each.

    Attributes:
        classes: Duplicate, substituted or unmatched.
        kind: ``"both"``, ``"anonymous"`` or ``"wyckoff"``: the candidates that were confirmed.
        train: Row of the training crystal: the duplicate's, the cheapest confirmed candidate's,
            else the nearest by AMD; -1 without any.
        swaps: From that training crystal, where it was a candidate.
        cost: Of that candidate; NaN without one.
        rms: Of the match that decided, dimensionless; NaN without one.
        representative: Row of the first crystal that is the same, its own where it is the first.
        amd_distance: To the nearest training crystal in Å.
        element_distance: Element mover's distance to the nearest training composition.
        duplicate_at: Whether it is a duplicate at each tolerance of the curve, (N, len(CURVE)).
        candidates: Candidates that were built, by what became of them.
        undecided: Pairs whose search was given up as too large, by what was searched for.
    """

    classes: np.ndarray
    kind: np.ndarray
    train: np.ndarray
    swaps: np.ndarray
    cost: np.ndarray
    rms: np.ndarray
    representative: np.ndarray
    amd_distance: np.ndarray
    element_distance: np.ndarray
    duplicate_at: np.ndarray
    candidates: dict[str, int]
    undecided: dict[str, int]


def classify(crystals: Described, train: Described, stages: Stages, *, name: str) -> Verdicts:
    """Verdicts on reduced crystals.

    Args:
        crystals: Generated crystals, relaxed and reduced.
        train: Training crystals, reduced.
        stages: Settings and memory.
        name: Whose they are, for the progress display.
    """
    settings = stages.settings
    same = batch.match(
        crystals.table,
        train.table,
        settings.duplicate,
        workers=stages.workers,
        keep=stages.matches,
        label=f"duplicates of {name}",
    )
    twin, rms = _best(len(crystals.table), same.first, same.second, same.rms)
    groups, grouped = batch.group(
        crystals.table,
        settings.duplicate,
        workers=stages.workers,
        keep=stages.matches,
        label=f"twins of {name}",
    )
    rest = np.flatnonzero(twin < 0)
    candidates = find_candidates(
        _part(crystals.symmetry, rest),
        train.symmetry,
        settings,
        stages.memory,
        keep=stages.matches,
        workers=stages.workers,
        name=name,
    )
    candidates = replace(candidates, generated=rest[candidates.generated])
    moved = stages.move(candidates.crystals, label=f"candidates of {name}")
    confirmed, fits, unverified = _verify(crystals, candidates, moved, stages, name)
    curve, lost = _curve(crystals, train, stages)
    near, amd_distance = nearest(crystals.cells.amd, train.cells.amd, elements=False)
    _, element_distance = nearest(crystals.profiles, train.profiles, elements=True)
    blank = np.full(len(crystals.table), "", dtype=object)
    verdicts = Verdicts(
        classes=np.where(twin >= 0, DUPLICATE, UNMATCHED).astype(object),
        kind=blank,
        train=np.where(twin >= 0, twin, near),
        swaps=blank.copy(),
        cost=np.where(twin >= 0, 0.0, np.nan),
        rms=rms,
        representative=groups,
        amd_distance=amd_distance,
        element_distance=element_distance,
        duplicate_at=curve,
        candidates=_fates(moved, confirmed),
        undecided={
            "duplicates": _given_up(same.counts),
            "equal crystals": _given_up(grouped),
            "anonymous candidates": candidates.undecided,
            "candidates to verify": unverified,
            "the novelty curve": lost,
        },
    )
    return _with_candidates(verdicts, candidates, confirmed, fits)


def _given_up(counts: Counts) -> int:
    """Pairs whose search was too large."""
    return counts.refused["too large"]


def _part(symmetry: WyckoffTable, rows: np.ndarray) -> WyckoffTable:
    """The symmetry of some of the crystals."""
    table = symmetry.table
    atoms = np.concatenate(
        [np.empty(0, np.int64)]
        + [np.arange(table.offsets[row], table.offsets[row + 1]) for row in rows]
    )
    return replace(
        symmetry,
        table=table[rows],
        groups=symmetry.groups[rows],
        letters=symmetry.letters[atoms],
        orbits=symmetry.orbits[atoms],
        fractions=symmetry.fractions[atoms],
        reasons=symmetry.reasons[rows],
    )


def _best(
    count: int, first: np.ndarray, second: np.ndarray, rms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each first row the second row with the smallest rms, the first of equal ones; that rms.

    -1 and NaN without one.
    """
    best, smallest = np.full(count, -1, np.int64), np.full(count, np.nan)
    for place in np.lexsort((second, settled(rms)))[::-1]:
        best[first[place]], smallest[first[place]] = second[place], rms[place]
    return best, smallest


def _verify(
    crystals: Described, candidates: Candidates, moved: Moved, stages: Stages, name: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Whether each candidate is the generated crystal, (K,) bool; rms; pairs that were given up."""
    usable = np.flatnonzero(moved.complete)
    rows = np.column_stack([candidates.generated[usable], usable])
    scores = batch.match_pairs(
        crystals.table,
        moved.table,
        rows,
        stages.settings.verification,
        workers=stages.workers,
        keep=stages.matches,
        label=f"verifying candidates of {name}",
    )
    confirmed, rms = np.zeros(len(candidates), bool), np.full(len(candidates), np.nan)
    confirmed[usable], rms[usable] = scores.matched, scores.rms
    return confirmed, rms, _given_up(scores.counts)


def _fates(moved: Moved, confirmed: np.ndarray) -> dict[str, int]:
    complete = moved.complete
    return {
        "confirmed": int(confirmed.sum()),
        "not confirmed": int((complete & ~confirmed).sum()),
        "failed": int((~complete).sum()),
    }


def _with_candidates(
    verdicts: Verdicts, candidates: Candidates, confirmed: np.ndarray, rms: np.ndarray
) -> Verdicts:
    """The verdicts with what the confirmed candidates say; of several the cheapest is named.

    Of equally cheap ones that which swaps elements as a whole, then the one that fits best, then
    the first training crystal; costs and rms are equal to :data:`matscale.runtime.exact.PRECISION`.
    """
    kinds: dict[int, set[str]] = {}
    # Backwards, so that the cheapest is written last.
    order = np.lexsort(
        (candidates.train, settled(rms), ~candidates.whole, settled(candidates.cost))
    )
    for place in order[::-1].tolist():
        if not confirmed[place]:
            continue
        row = int(candidates.generated[place])
        kinds.setdefault(row, set()).add(str(candidates.kind[place]))
        verdicts.classes[row] = SUBSTITUTED
        verdicts.train[row] = candidates.train[place]
        verdicts.swaps[row] = candidates.swaps[place]
        verdicts.cost[row], verdicts.rms[row] = candidates.cost[place], rms[place]
    for row, found in kinds.items():
        verdicts.kind[row] = BOTH if len(found) > 1 else found.pop()
    return verdicts


def _curve(crystals: Described, train: Described, stages: Stages) -> tuple[np.ndarray, int]:
    """Whether each crystal is a duplicate at each of :data:`CURVE`; pairs that were given up."""
    found = [_duplicate_at(crystals, train, stages, site) for site in CURVE]
    return np.column_stack([one for one, _ in found]), sum(lost for _, lost in found)


def _duplicate_at(
    crystals: Described, train: Described, stages: Stages, site: float
) -> tuple[np.ndarray, int]:
    settings = stages.settings.duplicate
    found = batch.match(
        crystals.table,
        train.table,
        replace(settings, tolerances=replace(settings.tolerances, site=site), keep_first=True),
        workers=stages.workers,
        keep=stages.matches,
    )
    duplicate = np.zeros(len(crystals.table), bool)
    duplicate[found.first] = True
    return duplicate, _given_up(found.counts)


def shares(classes: Sequence[str] | np.ndarray) -> dict[str, int]:
    """How many crystals are of each class."""
    values = np.asarray(classes, dtype=object)
    return {name: int((values == name).sum()) for name in CLASSES}
