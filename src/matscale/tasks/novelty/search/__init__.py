"""Training crystals that a generated one may come from by swapping elements, the cheapest first.

``anonymous`` and ``wyckoff`` each say which pairs are candidates, what they cost and which crystal
they make; ``cheapest`` finds the cheapest without looking at all pairs; ``site_maps`` says which
site stands on which. What they find together comes through :func:`find_candidates`.
"""

from matscale.tasks.novelty.search.candidates import (
    ANONYMOUS,
    WYCKOFF,
    Candidates,
    find_candidates,
)

__all__ = ["ANONYMOUS", "WYCKOFF", "Candidates", "find_candidates"]
