"""Classical image processing that answers from the pixels of a figure alone.

It shows that the answer is in the image, and is the ceiling of models that are asked about drawn
figures. Each reader reads the scale bar or the axes as printed, then measures; none is told the
truth or the seed. They know what kind of figure it is and how such figures are drawn, as a tool
made for one instrument does.
"""
