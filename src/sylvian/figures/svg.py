"""A figure as SVG inside a page: text stays text, and colours follow the page's theme."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from sylvian.figures.confusion import RAMPS
from sylvian.figures.style import INK, MEANINGS, MUTED, ON_CELL, PAPER, RULE, TRAINING, styled

# What each colour becomes on a dark page. Hues keep their meaning; blue and its like are lifted
# until they stand out (3:1 or better), and the ramps run from the page's tone to bright.
DARK_RAMPS: Mapping[str, tuple[str, ...]] = {
    "substitution": ("#3a2819", "#5b391d", "#874d1d", "#b9611a", "#ee7f2e", "#ffc093"),
    "deletion": ("#1d2f3b", "#21475f", "#27658b", "#3287bb", "#64b9ec", "#b5e0fb"),
    "insertion": ("#362731", "#543749", "#7c4a67", "#a5648a", "#d789b4", "#f6c4df"),
}
DARK: Mapping[str, str] = {
    INK: "#e8eaed",
    MUTED: "#9aa2ac",
    RULE: "#343a41",
    TRAINING: "#8c9198",
    PAPER: "#15181b",
    ON_CELL: "#101214",
    MEANINGS["transformer"]: "#4a9fd8",
    MEANINGS["gru"]: "#e6a820",
    MEANINGS["val"]: "#22b58c",
    MEANINGS["substitution"]: "#ee7f2f",
    MEANINGS["deletion"]: "#64b9ed",
    MEANINGS["insertion"]: "#d789b5",
    **{
        light: dark
        for kind, ramp in RAMPS.items()
        for light, dark in zip(ramp, DARK_RAMPS[kind], strict=True)
    },
}
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_SIZE = re.compile(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', re.DOTALL)


@styled
def themed_svg(figure: Figure, *, name: str, alt: str) -> Markup:
    """Render a figure for an HTML page.

    Args:
        figure: What to render; it must not be drawn on afterwards.
        name: Unique in the page; every id inside the picture starts with it.
        alt: What the picture shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg ") :]
    text = _COLOUR.sub(_variable, text)
    text = _ID.sub(rf"\g<1>{name}-", text)
    label = f'<svg role="img" aria-label="{escape(alt)}" xmlns="http://www.w3.org/2000/svg"'
    links = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    return Markup(_SIZE.sub(lambda found: f"{label} {links} {found[1]}>", text, count=1))


def dark_theme() -> Markup:
    """Give the CSS declarations that turn every figure of a page dark."""
    return Markup(" ".join(f"{_name(light)}: {dark};" for light, dark in DARK.items()))


def _variable(found: re.Match[str]) -> str:
    colour = found[0]
    return f"var({_name(colour)}, {colour})" if colour in DARK else colour


def _name(colour: str) -> str:
    return f"--c{colour[1:]}"
