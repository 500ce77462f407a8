"""What can come of relaxing a crystal."""

CONVERGED = "converged"
"""All generalised forces are below the threshold."""

NOT_CONVERGED = "not converged"
"""The steps ran out; the last geometry and its energy are kept."""

EXPLODED = "exploded"
"""The volume ran away, or the potential could not evaluate a geometry on the way."""

FAILED = "failed"
"""The potential could not evaluate the crystal as it was given."""

STATUSES = (CONVERGED, NOT_CONVERGED, EXPLODED, FAILED)
