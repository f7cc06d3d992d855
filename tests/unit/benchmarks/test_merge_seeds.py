import subprocess
import sys
from pathlib import Path

from merge_seeds import N_FOLDS, Candidates, Helpers, table, with_llm


def candidates() -> Candidates:
    truth = [f"we go {n}" for n in range(20)]
    said = [[t, t, f"they {t}"] if n % 2 else [f"{t} x", f"y {t}", t] for n, t in enumerate(truth)]
    folds = [n % N_FOLDS for n in range(20)]
    return Candidates("made up", truth, said, folds, [n < 5 for n in range(20)])


def test_votes_decide_and_a_language_model_settles_ties() -> None:
    made = candidates()
    found = table(made, Helpers())
    assert found["rows"]["votes (minimum risk)"]["wer"] == 0.0
    assert found["rows"]["votes (minimum risk)"]["against_best_seed"]["difference"] < 0
    assert (found["n_seen"], found["n_alike"], found["oracle"]) == (5, 0, 0.0)
    nats = {t: -1.0 if t in made.truth else -50.0 for said in made.said for t in said}
    texts, weights = with_llm(made, made.pools(), nats)
    assert texts == made.truth and len(weights) == N_FOLDS


def test_a_language_model_that_errs_gets_no_weight() -> None:
    made = candidates()
    nats = {t: -90.0 if t in made.truth else -1.0 for said in made.said for t in said}
    texts, weights = with_llm(made, made.pools(), nats)
    assert texts == made.truth
    assert set(weights) == {0.0}


def test_absent_data_is_one_sentence_and_exit_status_one(tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "benchmarks" / "merge_seeds.py"
    command = [sys.executable, str(script), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr
