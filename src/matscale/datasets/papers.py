"""Papers to cite: of data sets, benchmarks and methods. Each is written down here alone.

Authors are as the papers or their authors' repositories give them; ``OTHERS`` stands where not all
were at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

OTHERS = "others"
"""As the last author: "et al."."""

_TEX = {
    "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "–": "--",
    "ö": r'{\"o}', "ü": r'{\"u}', "ä": r'{\"a}', "é": r"{\'e}", "ñ": r"{\~n}",
}  # fmt: skip


@dataclass(frozen=True)
class Paper:
    """A paper, preprint or program.

    Attributes:
        key: Of its BibTeX entry.
        authors: Given names or initials, then the family name.
        title: As published.
        year: As published.
        venue: Journal with volume and pages, or conference; "" for a preprint.
        doi: Without the address of the resolver.
        arxiv: Number of the preprint.
        kind: Of the BibTeX entry.
        fields: Further BibTeX fields.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    year: int
    venue: str = ""
    doi: str = ""
    arxiv: str = ""
    kind: str = "article"
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """One line for people."""
        names = [name for name in self.authors if name != OTHERS]
        authors = f"{names[0]} et al." if OTHERS in self.authors else ", ".join(names)
        venue = f", {self.venue}" if self.venue else ""
        numbers = [f"doi:{self.doi}" * bool(self.doi), f"arXiv:{self.arxiv}" * bool(self.arxiv)]
        ends = [number for number in numbers if number]
        return ", ".join([f"{authors}, {self.title}{venue} ({self.year})", *ends])

    @property
    def bibtex(self) -> str:
        """The BibTeX entry."""
        values = {
            "author": " and ".join(map(_family_first, self.authors)),
            "title": f"{{{self.title}}}",
            "howpublished": f"arXiv:{self.arxiv}" if self.arxiv and not self.venue else "",
            **dict(self.fields),
            "year": str(self.year),
            "doi": self.doi,
            "eprint": self.arxiv,
            "archivePrefix": "arXiv" if self.arxiv else "",
        }
        raw = ("doi", "eprint", "url")
        lines = [
            f"  {name} = {{{value if name in raw else _tex(value)}}},"
            for name, value in values.items()
            if value
        ]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _family_first(name: str) -> str:
    if name.startswith("The "):
        return f"{{{name}}}"  # no person: kept whole
    given, _, family = name.rpartition(" ")
    return f"{family}, {given}" if given else name


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def _journal(name: str, volume: str, pages: str) -> tuple[tuple[str, str], ...]:
    return ("journal", name), ("volume", volume), ("pages", pages)


SUPERCON = Paper(
    "choudhary2022supercon", ("K. Choudhary", "K. Garrity"),
    "Designing high-TC superconductors with BCS-inspired screening, density functional theory, "
    "and deep-learning", 2022, "npj Comput. Mater. 8, 244", "10.1038/s41524-022-00933-1",
    fields=_journal("npj Computational Materials", "8", "244"),
)  # fmt: skip
LEADERBOARD = Paper(
    "choudhary2024leaderboard", ("K. Choudhary", OTHERS),
    "JARVIS-Leaderboard: a large scale benchmark of materials design methods", 2024,
    "npj Comput. Mater. 10, 93", "10.1038/s41524-024-01259-w",
    fields=_journal("npj Computational Materials", "10", "93"),
)  # fmt: skip
CDVAE = Paper(
    "xie2022cdvae", ("T. Xie", "X. Fu", "O.-E. Ganea", "R. Barzilay", "T. Jaakkola"),
    "Crystal diffusion variational autoencoder for periodic material generation", 2022, "ICLR",
    arxiv="2110.06197", kind="inproceedings",
    fields=(("booktitle", "International Conference on Learning Representations"),),
)  # fmt: skip
ATOMBENCH = Paper(
    "campbell2025atombench", ("C. R. Campbell", "A. H. Romero", "K. Choudhary"),
    "AtomBench: a benchmark for generative atomic structure models using GPT, diffusion, and flow "
    "architectures", 2025, arxiv="2510.16165", kind="misc",
)  # fmt: skip
AIRSS = Paper(
    "pickard2020airss", ("C. J. Pickard",),
    "AIRSS data for carbon at 10GPa and the C+N+H+O system at 1GPa", 2020,
    "Materials Cloud Archive 2020.0026/v1", "10.24435/materialscloud:2020.0026/v1", kind="misc",
    fields=(("howpublished", "Materials Cloud Archive 2020.0026/v1"),),
)  # fmt: skip
PEROVSKITES = Paper(
    "castelli2012perovskites", ("I. E. Castelli", OTHERS),
    "Computational screening of perovskite metal oxides for optimal solar light capture", 2012,
    "Energy Environ. Sci. 5, 5814", "10.1039/c1ee02717d",
    fields=_journal("Energy & Environmental Science", "5", "5814"),
)  # fmt: skip
CUBIC_PEROVSKITES = Paper(
    "castelli2012cubic", ("I. E. Castelli", OTHERS),
    "New cubic perovskites for one- and two-photon water splitting using the computational "
    "materials repository", 2012, "Energy Environ. Sci. 5, 9034", "10.1039/c2ee22341d",
    fields=_journal("Energy & Environmental Science", "5", "9034"),
)  # fmt: skip
ALEXANDRIA = Paper(
    "cerqueira2024sampling", ("T. F. T. Cerqueira", "A. Sanna", "M. A. L. Marques"),
    "Sampling the materials space for conventional superconducting compounds", 2024,
    "Adv. Mater. 36, 2307085", "10.1002/adma.202307085",
    fields=_journal("Advanced Materials", "36", "2307085"),
)  # fmt: skip
MATERIALS_PROJECT = Paper(
    "jain2013materialsproject", ("A. Jain", OTHERS),
    "Commentary: The Materials Project: a materials genome approach to accelerating materials "
    "innovation", 2013, "APL Mater. 1, 011002", "10.1063/1.4812323",
    fields=_journal("APL Materials", "1", "011002"),
)  # fmt: skip
CSMBENCH = Paper(
    "zheng2026csmbench", ("Y. Zheng", "Z. Chen", "Q. Jia"),
    "Benchmarking cross-scale perception ability of large multimodal models in material science",
    2026, arxiv="2603.19327", kind="misc",
)  # fmt: skip
NOVELTY = Paper(
    "negishi2026substitution", ("Masahiro Negishi", "Aron Walsh"),
    "Substitution-based analysis of structural novelty for generative models of materials", 2026,
    arxiv="2606.23166", kind="misc",
)  # fmt: skip
C2NP = Paper(
    "polat2026c2np", ("Can Polat", "Erchin Serpedin", "Mustafa Kurban", "Hasan Kurban"),
    "C2NP: a benchmark for learning scale-dependent geometric invariances in 3D materials "
    "generation", 2026, arxiv="2601.19076", kind="misc",
)  # fmt: skip
RADII = Paper(
    "polat2026radii", ("Can Polat", "Erchin Serpedin", "Mustafa Kurban", "Hasan Kurban"),
    "How far can you grow? Characterizing the extrapolation frontier of graph generative models "
    "for materials science", 2026, arxiv="2602.09309", kind="misc",
)  # fmt: skip
METRE = Paper(
    "martirossyan2025glitter",
    (
        "Maya M. Martirossyan", "Thomas Egg", "Philipp Höllmer", "George Karypis",
        "Mark Transtrum", "Adrian Roitberg", "Mingjie Liu", "Richard G. Hennig",
        "Ellad B. Tadmor", "Stefano Martiniani",
    ),
    "All that structure matches does not glitter", 2025, arxiv="2509.12178", kind="misc",
)  # fmt: skip
PYMATGEN = Paper(
    "ong2013pymatgen",
    (
        "Shyue Ping Ong", "William Davidson Richards", "Anubhav Jain", "Geoffroy Hautier",
        "Michael Kocher", "Shreyas Cholia", "Dan Gunter", "Vincent Chevrier",
        "Kristin A. Persson", "Gerbrand Ceder",
    ),
    "Python Materials Genomics (pymatgen): a robust, open-source Python library for materials "
    "analysis", 2013, "Comput. Mater. Sci. 68, 314–319", "10.1016/j.commatsci.2012.10.028",
    fields=_journal("Computational Materials Science", "68", "314–319"),
)  # fmt: skip
AMD = Paper(
    "widdowson2022average",
    (
        "Daniel Widdowson", "Marco M. Mosca", "Angeles Pulido", "Vitaliy Kurlin",
        "Andrew I. Cooper",
    ),
    "Average minimum distances of periodic point sets – foundational invariants for mapping "
    "periodic crystals", 2022, "MATCH Commun. Math. Comput. Chem. 87, 529–559",
    "10.46793/match.87-3.529W",
    fields=_journal(
        "MATCH Communications in Mathematical and in Computer Chemistry", "87", "529–559"
    ),
)  # fmt: skip
PDD = Paper(
    "widdowson2022resolving", ("Daniel Widdowson", "Vitaliy Kurlin"),
    "Resolving the data ambiguity for periodic crystals", 2022, "NeurIPS 35",
    kind="inproceedings",
    fields=(
        ("booktitle", "Advances in Neural Information Processing Systems"),
        ("volume", "35"),
    ),
)  # fmt: skip
CHGNET = Paper(
    "deng2023chgnet",
    (
        "Bowen Deng", "Peichen Zhong", "KyuJung Jun", "Janosh Riebesell", "Kevin Han",
        "Christopher J. Bartel", "Gerbrand Ceder",
    ),
    "CHGNet as a pretrained universal neural network potential for charge-informed atomistic "
    "modelling", 2023, "Nat. Mach. Intell.", "10.1038/s42256-023-00716-3",
    fields=(("journal", "Nature Machine Intelligence"),),
)  # fmt: skip


def matscale(version: str) -> Paper:
    """The program itself, as CITATION.cff has it; a test compares them."""
    return Paper(
        "matscale", ("The matscale developers",),
        "matscale: scores of generative models of materials between floors and ceilings", 2026,
        kind="misc", fields=(("note", f"Version {version}"),),
    )  # fmt: skip
