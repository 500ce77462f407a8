"""The crystal that a particle was cut from."""

from matscale.recovery.recover import (
    DETERMINED,
    NOT_DETERMINED,
    Answer,
    Recovered,
    recover,
    recover_all,
)

__all__ = ["DETERMINED", "NOT_DETERMINED", "Answer", "Recovered", "recover", "recover_all"]
