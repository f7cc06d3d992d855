"""The paper's comparisons of phoneme error rates."""

from __future__ import annotations

from sylvian.studies.lines import Line, Study

_FRACTIONS = (0.1, 0.25, 0.5, 1.0)


def _fraction(kind: str, share: float) -> Line:
    people = ("start.mix.human_fraction=1",) if kind == "monkey" else ()
    other = () if kind == "monkey" else ("start.mix.species=human",)
    label = f"{share:.0%} human" if kind == "human" else f"human + {share:.0%} monkey"
    return Line(label, "all", (f"start.mix.{kind}_fraction={share}", *people, *other))


TABLES = {
    "table4": Study(
        "Table 4: what pretraining buys",
        (
            Line("rnn", "rnn"),
            Line("tfs", "tfs"),
            Line("human", "human"),
            Line("all", "all"),
            Line("cross_task_only", "cross_task_only", imagined=True),
        ),
    ),
    "table8": Study(
        "Table 8: with and without the recordings that are fine-tuned on",
        (Line("tfs", "tfs"), Line("all", "all"), Line("exclude_target", "exclude_target")),
    ),
    "table9": Study(
        "Table 9: with and without labels, on the same participant's attempted speech",
        (
            Line("tfs", "tfs"),
            Line("cross_task_only", "cross_task_only"),
            Line("same_participant_ssl", "same_participant_ssl"),
        ),
        imagined_only=True,
    ),
    "transfer": Study(
        "Transfer between attempted and imagined speech",
        (
            Line("from scratch", "tfs"),
            Line("after SSL", "all"),
            Line("after the other", "cross_task_only", ("start.keep=model",)),
            Line("joint", "tfs", taught="both"),
            Line("zero-shot", "tfs", taught="other"),
        ),
        against="from scratch",
        transfer=True,
    ),
    "figure8": Study(
        "Figure 8: more people, then more monkeys",
        (
            Line("tfs", "tfs"),
            *(_fraction("human", share) for share in _FRACTIONS),
            *(_fraction("monkey", share) for share in _FRACTIONS),
        ),
    ),
}
