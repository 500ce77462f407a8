"""Which training crystal a composition copies: templates ranked by a forest."""

from matscale.models.prototype.ranking import TemplateRanking

__all__ = ["TemplateRanking"]
