"""Which words are taken for which: one dot a pair on alphabetical axes, the most frequent named.

True word on x, decoded word on y, both in alphabetical order (Fig. 7 of BIT does the same), so that
words spelt alike lie near the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes

from sylvian.errors import ConfigError
from sylvian.evaluate.word_errors import WordErrors
from sylvian.figures.style import INK, MUTED, RULE, colour_of, record, styled

DOT = 3.0  # square points of one event among many pairs
FEW = 60  # pairs up to which dots may be larger
LINE_POINTS = 7.8  # from one named pair to the next
LETTER_POINTS = 7.0  # of an axis, that a letter needs


@styled
def word_matrix(axis: Axes, errors: WordErrors, *, n_named: int = 20, note: str = "") -> None:
    """Draw the word error matrix; pairs that happened again are listed beside it, if any did.

    Args:
        axis: Where to draw, square; leave some 40 mm free on its right for the list.
        errors: What to draw: all of them, or those `seen` twice and more.
        n_named: How many pairs to list.
        note: What is said above, after the number of substitutions.

    Raises:
        ConfigError: nothing was substituted.
    """
    if not errors.pairs:
        raise ConfigError("word errors: no word was taken for another; leave the panel out")
    ranked = errors.worst(len(errors.pairs))
    words = sorted({word for pair in errors.pairs for word in pair})
    place = {word: at for at, word in enumerate(words)}
    axis.plot([-0.5, len(words) - 0.5], [-0.5, len(words) - 0.5], color=RULE, linewidth=0.6)
    axis.scatter(
        [place[true] for true, _, _ in ranked],
        [place[said] for _, said, _ in ranked],
        s=[DOT * (3 if len(ranked) <= FEW else 1) * count for _, _, count in ranked],
        color=colour_of("substitution"),
        alpha=0.75,
        linewidths=0,
        clip_on=False,
        zorder=3,
    )
    _letters(axis, words)
    axis.set_xlabel("True word, alphabetical")
    axis.set_ylabel("Decoded word, alphabetical")
    n, n_pairs = errors.n_substitutions, len(errors.pairs)
    told = f"{n:,} substitution{'s' * (n != 1)}, {n_pairs:,} pair{'s' * (n_pairs != 1)}"
    axis.set_title(told + (f", {note}" if note else ""), fontweight="normal", color=MUTED)
    often = [one for one in ranked if one[2] > 1]
    _listed(axis, (often or ranked)[:n_named])
    record(
        axis,
        "word confusions",
        {
            "true": [true for true, _, _ in ranked],
            "decoded": [said for _, said, _ in ranked],
            "count": [count for _, _, count in ranked],
            "n_trials": [errors.n_trials for _ in ranked],
            "n_words": [errors.n_words for _ in ranked],
        },
    )


def _letters(axis: Axes, words: Sequence[str]) -> None:
    """Mark where each initial begins; name those with room for a letter."""
    n = len(words)
    starts = []
    for letter, group in groupby(enumerate(words), key=lambda item: item[1][0]):
        members = [at for at, _ in group]
        starts.append((letter, members[0], len(members)))
    room = n * LETTER_POINTS / _points_across(axis)
    ticks: list[tuple[float, str]] = []
    for letter, first, count in starts:
        middle = first + (count - 1) / 2
        if not ticks or middle - ticks[-1][0] >= room:
            ticks.append((middle, letter))
    for set_ticks in (axis.set_xticks, axis.set_yticks):
        set_ticks([at for at, _ in ticks], [letter for _, letter in ticks])
    axis.tick_params(length=0, pad=2)
    axis.set_xlim(-0.5, n - 0.5)
    axis.set_ylim(n - 0.5, -0.5)
    axis.set_aspect("equal", anchor="NW")


def _points_across(axis: Axes) -> float:
    figure = axis.get_figure(root=True)
    box = axis.get_position(original=True)
    return 72 * float(box.width * figure.get_size_inches()[0]) if figure else 72.0


def _listed(axis: Axes, ranked: Sequence[tuple[str, str, int]]) -> None:
    for row, (true, said, count) in enumerate(ranked):
        down = -LINE_POINTS * row - 4
        for across, text, colour in (
            (8, f"{count}", MUTED),
            (20, f"{true} \N{RIGHTWARDS ARROW} {said}", INK),
        ):
            axis.annotate(
                text,
                xy=(1, 1),
                xycoords="axes fraction",
                xytext=(across, down),
                textcoords="offset points",
                ha="left",
                va="center",
                fontsize=6.5,
                color=colour,
                annotation_clip=False,
            )
