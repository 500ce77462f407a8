"""matscale: does a generative model of materials understand structure, or does it remember it?"""

__version__ = "0.1.0"
