from dataclasses import replace

import numpy as np
import pytest

from sylvian.data.corpora import (
    CORPORA,
    FACTS,
    Card2024,
    Corpus,
    SessionRef,
    corpus_class,
    corpus_names,
)
from sylvian.data.validate import checked, is_impossible
from sylvian.errors import ConfigError, DataError
from sylvian.types import Trial, TrialInfo, TrialKey


def test_our_corpora_are_found_by_name_and_facts_carry_that_name():
    assert corpus_class("card2024") is Card2024
    assert set(FACTS) <= set(CORPORA) == set(corpus_names())
    for name, facts in FACTS.items():
        assert facts.name == name
        assert facts.doi in facts.directions and facts.licence and facts.citation


def test_an_unknown_corpus_lists_those_there_are():
    with pytest.raises(ConfigError, match="unknown corpus 'card2025'; there are: card2024, "):
        corpus_class("card2025")


def test_a_lab_adds_its_corpus_through_an_entry_point(tmp_path, monkeypatch):
    """A real installed distribution, as pip would leave it behind."""
    info = tmp_path / "mylab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sylvian.corpora]\nmylab2026 = mylab_corpus:MyLab\n")
    (tmp_path / "mylab_corpus.py").write_text(
        "from sylvian.data.corpora import Card2024\nclass MyLab(Card2024):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "mylab2026" in corpus_names()
    corpus = corpus_class("mylab2026")(tmp_path)
    assert type(corpus).__name__ == "MyLab" and isinstance(corpus, Corpus)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["card2024"], "2 corpora are called 'card2024': sylvian, lab:A; rename or uninstall"),
        (["mine", "mine"], "2 corpora are called 'mine': lab:A, lab:B; rename or uninstall"),
    ],
)
def test_two_corpora_of_one_name_are_refused(tmp_path, monkeypatch, names, message):
    for name, letter in zip(names, "AB", strict=False):
        info = tmp_path / f"lab{letter}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lab{letter}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[sylvian.corpora]\n{name} = lab:{letter}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        corpus_class(names[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "dev"}, "split 'dev' is none of card2024's: train, val, test"),
        ({"phonemes": ("AA", "QQ")}, "label 'QQ' is outside the phoneme vocabulary"),
        ({"phonemes": ("BLANK",)}, "label 'BLANK' is outside"),
        ({"n_bins": 4}, r"features have shape \(5, 6\), expected \(4 bins, 6 channels\)"),
        ({"key": TrialKey("card2024", "T15", "2023-08-12", 1, 1)}, "gave it out for session"),
        ({"bin_s": 0.032}, "bins of 32 ms, those of the session's other trials are 20 ms wide"),
        ({"bin_s": 0.0}, "bins of 0.0 s; is the recording's rate right"),
    ],
)
def test_what_a_reader_may_not_give_out(few_t15, changes, message):
    info = TrialInfo(TrialKey("card2024", "T15", "2023-08-11", 1, 1), "train", 5)
    session = SessionRef("T15", "2023-08-11", {})
    features = np.ones((5, 6), np.float32)
    checked(Trial(info, features), session, few_t15)
    with pytest.raises(DataError, match=message):
        checked(Trial(replace(info, **changes), features), session, few_t15, bin_s=0.02)


@pytest.mark.parametrize(
    ("labels", "n_bins", "impossible"),
    [
        ("AA B", 2, False),
        ("AA B", 1, True),
        ("AA AA", 2, True),
        ("AA AA", 3, False),
        ("", 1, False),
    ],
)
def test_ctc_needs_a_frame_a_label_and_a_blank_between_equal_ones(labels, n_bins, impossible):
    key = TrialKey("card2024", "T15", "2023-08-11", 1, 1)
    assert (
        is_impossible(TrialInfo(key, "train", n_bins, phonemes=tuple(labels.split()))) == impossible
    )
