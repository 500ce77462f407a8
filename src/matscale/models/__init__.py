"""Models that learn from training crystals; each is a predictor. Needs ``matscale[models]``."""
