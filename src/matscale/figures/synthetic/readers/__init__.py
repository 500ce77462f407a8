"""Image floors: classical image processing that answers from the pixels of a figure alone.

They show that the answer is in the image. Each reads the scale bar or the axes as printed, then
measures; none is told the truth, the caption or the seed. They know what kind of figure it is and
how such figures are drawn, as a tool made for one instrument does.
"""
