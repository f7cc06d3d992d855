import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sylvian.comparing import FIGURES, FigureResult, make_figure
from sylvian.comparing.representation import draw_representation, read_analysis
from sylvian.comparing.tables import compare_tables, read_table
from sylvian.errors import CheckpointError, ConfigError, DataError
from tiny.decoded import Maker, prepared

S15 = "participant=S15"
COUNTS = {"substitutions": 20, "deletions": 5, "insertions": 5, "n_reference": 200}


def table(path: Path, *labels: str, **changes: Any) -> str:
    """A study's table as `sylvian study --out` writes it."""
    rows = [
        {
            "participant": "S15",
            "speech": speech,
            "label": label,
            "n_seeds": 2,
            "n_trials": 40,
            "counts": COUNTS,
            "rate": 0.15,
            "low": 0.1,
            "high": 0.2,
            "difference": None if place == 0 else -0.02,
            "difference_low": None if place == 0 else -0.04,
            "difference_high": None if place == 0 else -0.01,
            "p": None if place == 0 else 0.01,
            "hours": None if place == 0 else 0.5 * place,
            "r2": None,
            "seconds": 1.0,
            "runs": [],
            "unit": "per",
            "group": "",
        }
        for speech in ("attempted", "imagined")
        for place, label in enumerate(labels)
    ]
    content = {
        "title": "A study",
        "corpus": "synthetic",
        "split": "test",
        "against": labels[0],
        "seeds": [0, 1],
        "overrides": [],
        "rows": rows,
        "seconds": 1.0,
        "file": None,
        "notes": ["Left out: larger LM (no --larger)."],
    }
    path.write_text(json.dumps(content | changes))
    return str(path)


def analysis(path: Path, kind: str, runs: list[str], split: str = "val") -> str:
    """An analysis as `sylvian analyse --out` writes it."""
    name = Path(runs[0]).name
    numbers = {"low": 0.1, "high": 0.3, "p": 0.001, "n": 40, "null_low": -0.1, "null_high": 0.1}
    rows: list[dict[str, Any]] = []
    for task in ("attempted", "imagined"):
        for place, layer in enumerate(("features", "output")):
            if kind == "rsa":
                value = None if task == "imagined" and place == 0 else 0.2
                why = "only 4 sentences" if value is None else ""
                rows.append(
                    {"run": name, "task": task, "layer": layer, "r": value, "note": why} | numbers
                )
            else:
                rows += [
                    {"run": name, "task": task, "layer": layer, "word": word, "pc1": x, "pc2": -x}
                    | {"explained1": 0.5, "explained2": 0.2}
                    for x, word in enumerate(("bat", "see", "water"))
                ]  # fmt: skip
    content = {"analysis": kind, "split": split, "runs": runs, "rows": rows, "notes": []}
    path.write_text(json.dumps(content))
    return str(path)


def rows_of(result: FigureResult) -> list[dict[str, str]]:
    with Path(result.files[2]).open(newline="") as file:
        return list(csv.DictReader(file))


def test_figure_2_of_runs_writes_three_files_with_all_numbers(make: Maker, tmp_path: Path) -> None:
    runs = [make("rnn", S15, wrong=0.6), make("tfs", S15, wrong=0.2)]
    named = [f"baseline={runs[0].path}", runs[1].path.name]
    result = make_figure(
        "figure2", named, out=tmp_path, runs=runs[1].path.parent, speech="attempted"
    )
    assert [Path(one).name for one in result.files] == [
        f"figure2{end}" for end in (".pdf", ".png", ".csv")
    ]
    rows = rows_of(result)
    (changed,) = (row for row in rows if row["panel"].startswith("per against") and row["change"])
    assert (changed["system"], changed["n_seeds"]) == ("tfs", "1")
    assert float(changed["change"]) < 0 < float(changed["p"]) < 0.05
    assert {row["group"] for row in rows if row["unit"] == "wer"} == {"baseline", "tfs"}
    notes = [row["note"] for row in rows if row["panel"] == "notes"]
    assert notes[0].startswith("Simulated participants")
    assert result.text().startswith("figure2 of test: ")


def test_a_study_is_drawn_as_it_was_measured(tmp_path: Path) -> None:
    file = table(tmp_path / "study.json", "rnn", "tfs")
    result = make_figure("figure3", [file], out=tmp_path / "out", speech="imagined")
    rows = rows_of(result)
    assert not any("attempted" in row["panel"] for row in rows)
    assert {row["n_trials"] for row in rows if row["group"]} == {"40"}
    assert {row["change_high"] for row in rows if row["system"] == "tfs"} == {"-0.01"}
    assert "Left out: larger LM (no --larger)." in result.notes
    both = compare_tables([read_table(Path(file))])
    assert [one.speech for one in both.panels] == ["attempted", "imagined"]


def test_figure_4_joins_two_analyses(make: Maker, tmp_path: Path) -> None:
    run = str(make("tfs", S15).path)
    files = [analysis(tmp_path / f"{kind}.json", kind, [run]) for kind in ("rsa", "pca")]
    result = make_figure("figure4", files, out=tmp_path / "out")
    rows = rows_of(result)
    assert result.split == "val"
    assert rows[-1]["panel"] == "notes"
    assert any(row["note"].startswith("Simulated") for row in rows)
    assert any(row["row"] == "features" and row["note"] == "only 4 sentences" for row in rows)
    assert sum(row["word"] == "bat" for row in rows) == 4  # two layers, two tasks


def test_figure_4_says_what_is_missing(tmp_path: Path) -> None:
    file = analysis(tmp_path / "rsa.json", "rsa", ["/nowhere/tfs-12345678"])
    _, notes, simulated = draw_representation([read_analysis(Path(file))], tmp_path)
    assert any("tfs-12345678: no longer there" in note for note in notes)
    assert any("so there is no words in a plane" in note for note in notes)
    assert not simulated


def test_error_matrices_pool_seeds_of_phonemes_and_take_one_run_of_words(
    make: Maker, tmp_path: Path
) -> None:
    runs = [str(make("tfs", S15, seed=seed, wrong=0.2).path) for seed in (0, 1)]
    six = make_figure("figure6", runs, out=tmp_path)
    assert "tfs (seeds 0, 1): S15, attempted and imagined speech, test; 32" in six.notes[0]
    wrong = [row for row in rows_of(six) if row["kind"] == "substitution"]
    assert {row["predicted"] for row in wrong} == {"P"}
    seven = make_figure("figure7", runs[:1], out=tmp_path, speech="imagined")
    assert "imagined speech" in seven.notes[0] and "attempted" not in seven.notes[0]
    decoded = [row for row in rows_of(seven) if row["panel"] == "word confusions"]
    assert {row["decoded"] for row in decoded} == {"pat"}
    with pytest.raises(ConfigError, match="figure7: 2 runs; give one"):
        make_figure("figure7", runs, out=tmp_path)


@pytest.mark.parametrize("name", ["figure6", "figure7"])
def test_a_decode_without_an_error_is_an_honest_blank(
    make: Maker, tmp_path: Path, name: str
) -> None:
    run = str(make("tfs", S15, wrong=0.0).path)
    rows = rows_of(make_figure(name, [run], out=tmp_path))
    assert rows[0]["panel"] == "blank"
    assert rows[0]["note"].startswith(("No phoneme error in 16", "No word was taken"))


def test_pairs_that_happened_once_leave_the_second_panel_blank(make: Maker, tmp_path: Path) -> None:
    data = prepared(tmp_path, S15=(4,))
    run = str(make("tfs", S15, data=data, wrong=0.3).path)
    rows = rows_of(make_figure("figure7", [run], out=tmp_path / "out"))
    assert any(row["note"] == "No pair of words happened 2 times." for row in rows)


def test_figure_8_draws_a_study_of_amounts(tmp_path: Path) -> None:
    file = table(tmp_path / "figure8.json", "tfs", "10% human", "100% human", "human + 50% monkey")
    rows = rows_of(make_figure("figure8", [file], out=tmp_path / "out"))
    drawn = [row for row in rows if row["series"]]
    assert len(drawn) == 8
    assert {row["series"] for row in drawn} == {"no pretraining", "human", "human + monkey"}
    assert {row["share_percent"] for row in drawn if row["series"] == "human"} == {"10", "100"}


def test_figure_8_draws_runs(make: Maker, tmp_path: Path) -> None:
    only_people = "start.mix.species=human"
    amounts = (("start.mix.human_fraction=0.5", 0.2, only_people), ("start.mix.seed=0", 1.5))
    runs = [make("tfs", S15, seed=seed, wrong=0.4) for seed in (0, 1)]
    for setting, hours, *more in amounts:
        runs += [
            make("all", S15, setting, *more, seed=seed, wrong=0.1, hours=hours) for seed in (0, 1)
        ]
    result = make_figure("figure8", [str(run.path) for run in runs], out=tmp_path)
    drawn = [row for row in rows_of(result) if row["series"] and row["panel"].count("attempted")]
    assert {(row["series"], row["share_percent"], row["hours"]) for row in drawn} >= {
        ("human", "50", "0.2"),
        ("human + monkey", "100", "1.5"),
    }
    assert any("2 trainings of each row" in note for note in result.notes)
    with pytest.raises(ConfigError, match="runs of one system without pretraining are needed"):
        make_figure("figure8", [str(run.path) for run in runs[2:]], out=tmp_path)
    gru = make("rnn", S15)
    with pytest.raises(ConfigError, match="here are rnn, tfs; add such runs, or leave"):
        make_figure("figure8", [str(runs[0].path), str(gru.path)], out=tmp_path)


def test_figure_8_without_a_pretrained_run_is_refused(make: Maker, tmp_path: Path) -> None:
    runs = [str(make("tfs", S15, seed=seed, wrong=0.4).path) for seed in (0, 1)]
    with pytest.raises(ConfigError, match="figure8: none of these runs was pretrained; add runs"):
        make_figure("figure8", runs, out=tmp_path)


@pytest.mark.parametrize("recipe", ["same_participant_ssl", "exclude_target"])
def test_figure_8_takes_no_other_mix_for_all_people_and_monkeys(
    make: Maker, tmp_path: Path, recipe: str
) -> None:
    runs = [make("tfs", S15, wrong=0.4), make(recipe, S15, wrong=0.1, hours=1.5)]
    with pytest.raises(ConfigError, match="no amount of people's, or of all people's and some"):
        make_figure("figure8", [str(run.path) for run in runs], out=tmp_path)


def test_figure_4_finds_the_analyses_kept_in_runs(make: Maker, tmp_path: Path) -> None:
    run = make("tfs", S15, wrong=0.35)
    with pytest.raises(ConfigError, match="val was not analysed; run 'sylvian analyse rsa"):
        make_figure("figure4", [str(run.path)], out=tmp_path, split="val")
    (run.path / "analyses").mkdir()
    for kind in ("rsa", "pca"):
        analysis(run.path / "analyses" / f"{kind}-val.json", kind, [str(run.path)])
    result = make_figure("figure4", [str(run.path)], out=tmp_path, split="val")
    assert sum(row["word"] == "bat" for row in rows_of(result)) == 4


def test_an_unknown_figure_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no figure 'figure5'; there are: figure2") as refused:
        make_figure("figure5", ["x"], out=tmp_path)
    assert all(name in str(refused.value) for name in FIGURES)


@pytest.mark.parametrize(
    ("name", "sources", "told"),
    [
        ("figure6", ["a.json"], "made from runs, got a.json, a file"),
        ("figure2", ["a.json", "runs/tfs"], "runs or a study's table, got runs and files together"),
        ("figure8", [], "a study's table, got nothing"),
        ("figure8", ["a.json", "b.json"], "2 files; draw one study at a time"),
        ("figure2", ["=runs/tfs"], "write NAME=RUN"),
        ("figure3", ["nowhere.json"], "nowhere.json: cannot be read as JSON"),
    ],
)
def test_the_wrong_sources_get_one_sentence(
    tmp_path: Path, name: str, sources: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        make_figure(name, sources, out=tmp_path)


def test_no_run_or_one_twice_is_named(make: Maker, tmp_path: Path) -> None:
    run = make("tfs", S15)
    with pytest.raises(CheckpointError, match="no run folder there"):
        make_figure("figure2", ["nowhere"], out=tmp_path, runs=tmp_path)
    with pytest.raises(ConfigError, match="given twice"):
        make_figure("figure2", [str(run.path), f"again={run.path}"], out=tmp_path)


def test_two_systems_have_no_error_matrix_together(make: Maker, tmp_path: Path) -> None:
    runs = [str(make(kind, S15).path) for kind in ("rnn", "tfs")]
    with pytest.raises(ConfigError, match="these runs are of rnn, tfs; draw them apart"):
        make_figure("figure6", runs, out=tmp_path)


def test_studies_of_other_splits_or_references_are_refused(tmp_path: Path) -> None:
    one = table(tmp_path / "one.json", "rnn", "tfs")
    val = table(tmp_path / "val.json", "rnn", "tfs", split="val")
    base = table(tmp_path / "base.json", "tfs", "rnn")
    with pytest.raises(DataError, match=r"one.json and .*val.json: split test and val"):
        make_figure("figure2", [one, val], out=tmp_path)
    with pytest.raises(DataError, match="against rnn and tfs"):
        make_figure("figure2", [one, base], out=tmp_path)
    with pytest.raises(ConfigError, match="no row of S99"):
        make_figure("figure2", [one], out=tmp_path, participant="S99")
    with pytest.raises(ConfigError, match="a study was compared when it was run"):
        make_figure("figure2", [one], out=tmp_path, against="tfs")


def test_files_of_something_else_are_named(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "other.json").write_text('{"rows": [1]}')
    empty = table(tmp_path / "empty.json", "rnn", rows=[])
    rows = table(tmp_path / "odd.json", "rnn", rows=[{"label": "rnn"}])
    amounts = table(tmp_path / "amounts.json", "tfs", "rnn")
    for name, file, told in (
        ("figure2", tmp_path / "list.json", "holds a list"),
        ("figure2", tmp_path / "other.json", "not the table of a study"),
        ("figure2", empty, "without rows"),
        ("figure2", rows, "not the table of a study"),
        ("figure4", tmp_path / "other.json", "not an analysis"),
        ("figure8", amounts, "row 'rnn' is no amount of pretraining"),
    ):
        with pytest.raises(ConfigError, match=told):
            make_figure(name, [str(file)], out=tmp_path)


def test_analyses_of_two_splits_or_other_kinds_are_refused(tmp_path: Path) -> None:
    rsa = analysis(tmp_path / "rsa.json", "rsa", ["/nowhere/tfs-1"])
    pca = analysis(tmp_path / "pca.json", "pca", ["/nowhere/tfs-1"], split="test")
    lda = analysis(tmp_path / "lda.json", "lda", ["/nowhere/tfs-1"])
    with pytest.raises(DataError, match="of val and of test; analyse one split"):
        make_figure("figure4", [rsa, pca], out=tmp_path)
    with pytest.raises(ConfigError, match="the analysis 'lda'; this figure takes rsa and pca"):
        make_figure("figure4", [lda], out=tmp_path)
