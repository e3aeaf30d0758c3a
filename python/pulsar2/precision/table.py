"""The Quant Precision Table, and the graph in mermaid's language."""

from __future__ import annotations

from collections.abc import Sequence

from pulsar2.precision.analysis import Analysis, LayerFigures

COLUMNS = ("Operator", "Type", "Output Tensor", "Shape", "DType", "QDType", "Cosin", "MSE")

SIMILARITIES = (
    (0.999, "good", "#2ca25f"),
    (0.99, "fair", "#b8d432"),
    (0.95, "poor", "#f28e2b"),
    (-1.0, "bad", "#d7301f"),
)
"""Least cosine similarity of a class, its name, and its colour."""


def similarity_class(cosine: float) -> str:
    """The name of the class that a cosine similarity is in."""
    return next((name for least, name, _ in SIMILARITIES if cosine >= least), "bad")


def table_rows(layers: Sequence[LayerFigures]) -> list[tuple[str, ...]]:
    """The rows of the table, in program order."""
    return [
        (
            x.layer.operator,
            x.layer.kind,
            x.layer.float_name,
            f"({', '.join(map(str, x.layer.shape))})",
            x.layer.float_type,
            x.layer.data_type,
            f"{x.figures.cosine:.5f}",
            short(x.figures.mse),
        )
        for x in layers
    ]


def short(value: float) -> str:
    """Five digits behind the point; an exponent where a number is too large or small for that."""
    return f"{value:.5f}" if value == 0 or 5e-6 <= value < 1e5 else f"{value:.1e}"


def mermaid(analysis: Analysis) -> str:
    """The layers as a flowchart, coloured by their similarity to the float graph."""
    lines = ["flowchart TD"]
    lines += [
        f"  classDef {name} fill:{colour},stroke:#1c2733,color:#1c2733"
        for _, name, colour in SIMILARITIES
    ]
    made: dict[str, int] = {}
    edges: list[str] = []
    for number, x in enumerate(analysis.layers):
        made[x.layer.tensor] = number
        label = "<br/>".join(
            map(_escaped, (x.layer.operator, x.layer.kind, f"{x.figures.cosine:.5f}"))
        )
        lines.append(f'  n{number}["{label}"]:::{similarity_class(x.figures.cosine)}')
        for source in x.layer.sources:
            if source in made:
                edges.append(f"  n{made[source]} --> n{number}")
    return "\n".join((*lines, *edges)) + "\n"


def _escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ('"', "#quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
