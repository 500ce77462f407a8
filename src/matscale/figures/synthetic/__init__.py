"""Figures whose truth is known: rendered from physics, seeded, endless, seen by no model before.

The answer cannot be read off the text. For each item the four options are drawn first, then one
of them is chosen with equal chances, and only then is the figure drawn to show it. Given the
text, each option is therefore the true one with probability 1/4, whatever rule picks it: the one
in the middle, the longest, the roundest. The answer is in the image:
:mod:`matscale.figures.synthetic.readers` finds it there from the pixels alone.

One module a kind of figure (``precipitates``, ``xrd``, ...); each lists its questions, and
:mod:`matscale.figures.synthetic.registry` joins the lists.
"""
