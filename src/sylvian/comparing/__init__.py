"""Systems beside each other, and the other figures of the paper, from what runs left behind."""

from sylvian.comparing.sheet import comparison_sheet
from sylvian.comparing.verb import FIGURES, FigureResult, make_figure

__all__ = ["FIGURES", "FigureResult", "comparison_sheet", "make_figure"]
