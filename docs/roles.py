"""Show Sphinx roles in docstrings, such as :func:`name`, as code: a griffe extension."""

import re

import griffe

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):`~?([^`]+)`")


class Roles(griffe.Extension):
    """Rewrites the docstrings of all objects that are documented."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Replace the roles in one object's docstring."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
