import json
from pathlib import Path

import pytest

from sylvian.comparing.panels import compare_runs
from sylvian.comparing.reading import read_decoded
from sylvian.comparing.wording import described
from sylvian.runs import RunFolder
from tiny.decoded import Maker

S15 = "participant=S15"


@pytest.fixture
def lms(tmp_path: Path) -> tuple[Path, Path]:
    found = tmp_path / "large.arpa", tmp_path / "tiny.arpa"
    for path in found:
        path.write_text(f"an n-gram called {path.stem}")
    return found


def compared(*runs: RunFolder):
    found = compare_runs([read_decoded(run, "test") for run in runs])
    return [row.name for row in found.panels[0].rows], " ".join(found.notes)


def retold(run: RunFolder, name: str = "test/decode.json", **changes: object) -> RunFolder:
    """Change what a run says of its decoder."""
    told = json.loads((run.path / name).read_text())
    told["decode"] |= {key: value for key, value in changes.items() if key in told["decode"]}
    told |= {key: value for key, value in changes.items() if key in told}
    (run.path / name).write_text(json.dumps(told))
    return run


def test_seeds_decoded_with_other_language_models_are_two_systems(make: Maker, lms) -> None:
    runs = [make("tfs", S15, seed=seed, lm=lm) for seed, lm in enumerate(lms)]
    names, notes = compared(*runs)
    assert names == ["tfs (large)", "tfs (tiny)"]
    assert "tfs (tiny) and tfs (large) did not find words with the same n-gram: their" in notes
    assert "n-gram (tiny.arpa sha256:" in notes
    assert "2 trainings" not in notes


def test_a_tuned_run_beside_one_with_a_tiny_language_model(make: Maker, lms) -> None:
    large, tiny = lms
    names, notes = compared(
        make("tfs", S15, lm=large, tuned=0.5), make("tfs", S15, seed=1, lm=tiny)
    )
    assert names == ["tfs (large, tuned)", "tfs (tiny, default weights)"]
    assert "the same n-gram and weights: their change in words is not of the m" in notes
    assert "weights tuned)" in notes and ", default weights)" in notes


def test_weights_tuned_for_each_seed_are_one_procedure(make: Maker, lms) -> None:
    runs = [make("tfs", S15, seed=seed, lm=lms[0], tuned=0.3 + 0.2 * seed) for seed in (0, 1)]
    names, notes = compared(*runs)
    assert names == ["tfs"]
    assert "2 trainings of tfs (seeds 0, 1)." in notes
    assert "words by n-gram (large.arpa sha256:" in notes and ", weights tuned)." in notes
    names, notes = compared(runs[0], make("tfs", S15, seed=1, lm=lms[0]))
    assert names == ["tfs (tuned)", "tfs (default weights)"]
    assert "did not find words with the same weights: their change" in notes


def test_a_copied_file_is_the_same_language_model_and_a_changed_one_is_not(
    make: Maker, lms, tmp_path: Path
) -> None:
    (tmp_path / "again").mkdir()
    copy = tmp_path / "again" / "large.arpa"
    copy.write_text(lms[0].read_text())
    runs = [make("tfs", S15, seed=2, lm=lms[0]), make("tfs", S15, seed=3, lm=copy)]
    assert compared(*runs)[0] == ["tfs"]
    names, notes = compared(runs[0], retold(runs[1], lm_sha256="0" * 64))
    assert names == [f"tfs ({run.path.name[-8:]})" for run in runs]  # named alike, so by run
    assert "did not find words with the same n-gram:" in notes


@pytest.mark.parametrize(
    ("changes", "wrong", "told"),
    [
        ({"word_set": "50-word"}, 0.31, "word set"),
        ({"lexicon": "/somewhere/own.txt"}, 0.32, "pronunciations"),
        ({"acoustic_scale": 0.9}, 0.33, "weights"),
    ],
)
def test_words_pronunciations_and_weights_by_hand_make_other_systems(
    make: Maker, lms, changes: dict[str, object], wrong: float, told: str
) -> None:
    plain = make("tfs", S15, seed=4, lm=lms[0])
    other = retold(make("tfs", S15, seed=5, lm=lms[0], wrong=wrong), **changes)
    names, notes = compared(plain, other)
    assert len(names) == 2
    assert f"did not find words with the same {told}: their change" in notes


def test_the_own_sentences_are_no_file_of_a_name(make: Maker, lms) -> None:
    run = make("tfs", S15, seed=6, lm=lms[0])
    (run.path / "lm").mkdir(exist_ok=True)
    own = run.path / "lm" / "training-3gram.arpa.gz"
    own.write_bytes(lms[0].read_bytes())
    retold(run, lm=str(own.resolve()))
    parts = read_decoded(run, "test").wording
    assert parts["n-gram"].startswith("training sentences sha256:")
    assert described(parts) == "n-gram (of training sentences, default weights)"
    own.unlink()
    retold(run, lm_sha256="")
    assert read_decoded(run, "test").wording["n-gram"] == "training sentences"
    assert read_decoded(retold(run, lm=None), "test").wording["n-gram"] == "none"


def test_words_that_were_looked_up_depend_on_no_language_model(make: Maker) -> None:
    parts = read_decoded(make("tfs", S15), "test").wording
    assert described(parts) == "lookup"
    assert "weights" not in parts
