"""The verb: a figure of the paper by its name, from run folders and tables, with its notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from sylvian.comparing.amounts import Drawn as Amounts
from sylvian.comparing.amounts import draw_amounts, draw_amounts_of
from sylvian.comparing.mistakes import draw_phonemes, draw_words
from sylvian.comparing.panels import Comparison, columns_of, compare_runs
from sylvian.comparing.reading import UNITS, Decoded, named, read_all
from sylvian.comparing.representation import TAKEN, draw_representation, read_analysis
from sylvian.comparing.tables import compare_tables, read_table
from sylvian.errors import ConfigError
from sylvian.figures.comparison import comparison_figure
from sylvian.figures.footnotes import add_notes
from sylvian.figures.style import save
from sylvian.runs import ANALYSES as KEPT
from sylvian.runs import RunFolder

RUNS, STUDY, ANALYSES = "runs", "a study's table", "files of analyse rsa and analyse pca"
FIGURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "figure2": ("systems beside each other, attempted and imagined speech apart", (RUNS, STUDY)),
    "figure3": ("parts of the end-to-end system", (RUNS, STUDY)),
    "figure4": ("similarity to a language model, and words in a plane", (RUNS, ANALYSES)),
    "figure6": ("phoneme error matrix", (RUNS,)),
    "figure7": ("word error matrix", (RUNS,)),
    "figure8": ("error rate against hours of pretraining", (RUNS, STUDY)),
}
"""Each figure: what it shows, and what it is made from."""

SPLIT = "test"


@dataclass(frozen=True, slots=True)
class FigureResult:
    """A figure on disk.

    Attributes:
        figure: Its name.
        split: The split whose trials it shows.
        files: PDF, PNG and CSV.
        notes: What has to be read with it; they stand in the figure and in the CSV, too.
    """

    figure: str
    split: str
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def text(self) -> str:
        """Say it in a few lines."""
        return "\n".join([f"{self.figure} of {self.split}: {', '.join(self.files)}", *self.notes])


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be drawn.

    Attributes:
        runs: Runs with the names they are to have, if any.
        files: JSON files of studies or analyses.
        home: Folder of runs.
        split: The split of the runs.
        against: The system that all others are compared with.
        participant: Only this one.
        speech: Only this kind.
        data: Folder of prepared corpora; None for where the runs were trained from.
    """

    runs: tuple[str, ...]
    files: tuple[Path, ...]
    home: Path
    split: str
    against: str | None = None
    participant: str | None = None
    speech: str | None = None
    data: Path | None = None

    def decoded(self) -> list[Decoded]:
        """Read the runs; the same one twice is one too many."""
        found: list[Decoded] = []
        for source in self.runs:
            called, name = named(source)
            run = RunFolder.open(name, self.home)
            if any(run.path.resolve() == one.path.resolve() for one in found):
                raise ConfigError(f"{run.path}: given twice; name each run once")
            found += read_all(run, self.split, called=called, data=self.data)
        return found

    def analyses(self) -> list[Path]:
        """Find what `analyse` left in the runs.

        Raises:
            ConfigError: nothing for that split is in any of them.
        """
        folders = [RunFolder.open(named(one)[1], self.home).path / KEPT for one in self.runs]
        stem = self.split.replace("/", "-")
        paths = [folder / f"{kind}-{stem}.json" for folder in folders for kind in TAKEN]
        found = [path for path in paths if path.is_file()]
        if not found:
            run = folders[0].parent
            raise ConfigError(
                f"{run}: {self.split} was not analysed; run 'sylvian analyse rsa {run} --split "
                f"{self.split}' and the same with pca first"
            )
        return found


Drawn = tuple[Figure, tuple[str, ...], bool, str]
"""A figure, its notes, whether nobody was recorded, and the split."""


def make_figure(
    name: str,
    sources: Sequence[str],
    *,
    out: Path,
    runs: Path = Path("runs"),
    split: str = SPLIT,
    against: str | None = None,
    participant: str | None = None,
    speech: str | None = None,
    data: Path | None = None,
) -> FigureResult:
    """Draw one of the paper's figures and write it as PDF, PNG and CSV.

    Runs are only read: what is drawn of them was counted, and put on record, by `score`.

    Args:
        name: One of `FIGURES`.
        sources: Run folders, or their names below `runs`, or `NAME=RUN` to name a system; or JSON
            files that a study or an analysis wrote. Figure 4 of runs takes the analyses in them.
        out: Folder to write to.
        runs: Folder of runs.
        split: The split of the runs; files know their own.
        against: The system that all others are compared with; None: the first one's.
        participant: Only this one's trials.
        speech: Only this kind of speech: `attempted`, `imagined` or another task.
        data: Folder of prepared corpora; None for where the runs were trained from.

    Raises:
        ConfigError: no such figure, or it is not made from what was given.
        DataError: what was given cannot be drawn beside each other.
        CheckpointError: there is no such run, or it is not finished.
    """
    if name not in FIGURES:
        known = "; ".join(f"{one} ({shown})" for one, (shown, _) in FIGURES.items())
        raise ConfigError(f"no figure {name!r}; there are: {known}")
    asked = Asked(
        runs=tuple(one for one in sources if not one.endswith(".json")),
        files=tuple(Path(one) for one in sources if one.endswith(".json")),
        home=runs,
        split=split,
        against=against,
        participant=participant,
        speech=speech,
        data=data,
    )
    _check_sources(name, asked)
    figure, notes, simulated, shown = _draw(name, asked)
    add_notes(figure, notes, simulated=simulated)
    files = save(figure, out / f"{name}.pdf")
    return FigureResult(name, shown, tuple(map(str, files)), notes)


def _check_sources(name: str, asked: Asked) -> None:
    """Raise ConfigError unless a figure is made from what was given."""
    shown, kinds = FIGURES[name]
    takes_files = STUDY in kinds or ANALYSES in kinds
    if asked.runs and asked.files:
        wrong = "runs and files together"
    elif asked.runs and RUNS not in kinds:
        wrong = f"{asked.runs[0]}, a run"
    elif asked.files and not takes_files:
        wrong = f"{asked.files[0]}, a file"
    elif not asked.runs and not asked.files:
        wrong = "nothing"
    else:
        return
    raise ConfigError(f"{name} ({shown}) is made from {' or '.join(kinds)}, got {wrong}")


def _draw(name: str, asked: Asked) -> Drawn:
    if name in ("figure2", "figure3"):
        return _comparison(name, asked)
    if name == "figure4":
        analyses = [read_analysis(path) for path in asked.files or asked.analyses()]
        return *draw_representation(analyses, asked.home), analyses[0].split
    if name == "figure8":
        return _amounts(asked)
    found = asked.decoded()
    columns = columns_of(found, asked.participant, asked.speech)
    figure, notes = (draw_phonemes if name == "figure6" else draw_words)(found, columns)
    return figure, notes, any(one.is_simulated for one in found), asked.split


def _amounts(asked: Asked) -> Drawn:
    only = {"participant": asked.participant, "speech": asked.speech}
    if len(asked.files) > 1:
        raise ConfigError(f"figure8: {len(asked.files)} files; draw one study at a time")
    drawn: Amounts
    if asked.files:
        table = read_table(asked.files[0])
        drawn, split = draw_amounts(table, **only), table.split
    else:
        drawn, split = draw_amounts_of(asked.decoded(), **only), asked.split
    return *drawn, split


def _comparison(name: str, asked: Asked) -> Drawn:
    if asked.files:
        if asked.against is not None:
            raise ConfigError(
                f"--against {asked.against}: a study was compared when it was run; leave it out"
            )
        tables = [read_table(path) for path in asked.files]
        found = compare_tables(tables, participant=asked.participant, speech=asked.speech)
    else:
        found = compare_runs(
            asked.decoded(),
            against=asked.against,
            units=("wer",) if name == "figure3" else UNITS,
            participant=asked.participant,
            speech=asked.speech,
        )
    return draw_comparison(found), found.notes, found.simulated, found.split


def draw_comparison(found: Comparison) -> Figure:
    """Draw systems beside each other, without the notes."""
    return comparison_figure(found.panels, against=found.against)
