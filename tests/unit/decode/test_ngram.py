import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from sylvian.decode.ngram import ArpaModel, build_ngram, read_arpa, write_arpa
from sylvian.errors import DecodeError

TEXT = ["we want to go", "we go home", "to go home we want to go", "home", "want to want"]


def probability(model: ArpaModel, sentence: str) -> float:
    return math.exp(model.score_words(sentence.split()))


def test_frequent_beats_rare_and_order_helps() -> None:
    model = build_ngram(TEXT, order=3)
    assert probability(model, "we want to go") > probability(model, "go to want we")
    assert model.order == 3
    assert model.words == ("go", "home", "to", "want", "we")
    assert model.n_ngrams[0] == 8  # with <unk>, <s>, </s>


def test_incremental_scores_add_up() -> None:
    model = build_ngram(TEXT, order=4)
    state, total = model.start(), 0.0
    for word in ["we", "want", "to", "go", "home", "</s>"]:
        nats, state = model.score(state, word)
        total += nats
    assert total == model.score_words(["we", "want", "to", "go", "home"])
    assert model.score_sentences(["we want to go home"]) == [total]


def test_a_vocabulary_limits_and_extends() -> None:
    model = build_ngram(TEXT, order=2, vocabulary=["we", "want", "zebra"])
    assert model.words == ("want", "we", "zebra")
    state = model.start()
    assert model.score(state, "zebra")[0] > -10
    assert model.score(state, "home")[0] == model.score(state, "<unk>")[0]
    assert model.score(state, "<unk>")[0] > model.score(state, "zebra")[0]


def test_pruning_drops_rare_ngrams_only() -> None:
    whole, pruned = build_ngram(TEXT, order=3), build_ngram(TEXT, order=3, prune=(0, 1))
    assert pruned.n_ngrams[0] == whole.n_ngrams[0]
    assert 0 < pruned.n_ngrams[1] < whole.n_ngrams[1]
    assert pruned.n_ngrams[2] < whole.n_ngrams[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sentences": []}, "no words to learn"),
        ({"sentences": ["", "  "]}, "no words to learn"),
        ({"sentences": ["a <s> b"]}, "give sentences without marks"),
        ({"order": 0}, "order 0"),
        ({"order": 6}, "order 6"),
        ({"prune": (0, 2, 1)}, "must not fall"),
        ({"prune": (1,)}, "must start at 0"),
    ],
)
def test_impossible_requests_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        build_ngram(**{"sentences": TEXT, "order": 3, **arguments})


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_arpa_round_trip(tmp_path: Path, name: str) -> None:
    model = build_ngram(TEXT, order=3)
    write_arpa(model, tmp_path / name)
    back = read_arpa(tmp_path / name)
    assert back.symbols == model.symbols
    assert np.array_equal(back.parent, model.parent)
    assert np.allclose(back.log_p, model.log_p, atol=2e-5)
    assert np.allclose(back.log_bow, model.log_bow, atol=2e-5)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    write_arpa(model, tmp_path / f"again-{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()


SRILM = """
a comment

\\data\\
ngram 1=5
ngram 2=4
ngram 3=1

\\1-grams:
-0.60206\t</s>
-99\t<s>\t-0.30103
-0.60206\tTHE\t-0.1
-0.60206\tCAT\t-0.2
-1.20412\t<UNK>

\\2-grams:
-0.1\t<s> THE\t0
-0.2 THE CAT -0.3
-0.3\tCAT </s>
-inf\tCAT THE

\\3-grams:
-0.05\t<s> THE CAT

\\end\\
"""


def test_reads_other_programs_files(tmp_path: Path) -> None:
    path = tmp_path / "srilm.arpa.gz"
    path.write_bytes(gzip.compress(SRILM.encode()))
    model = read_arpa(path)
    assert set(model.words) == {"the", "cat"}
    assert "<unk>" in model.symbols
    log10 = model.score_words(["the", "cat"]) / math.log(10)
    assert log10 == pytest.approx(-0.1 - 0.05 + (-0.3) - 0.3, abs=1e-6)
    log10 = model.score_words(["dog"]) / math.log(10)
    assert log10 == pytest.approx(-0.30103 - 1.20412 - 0.60206, abs=1e-5)


def test_an_unknown_word_without_unk_is_impossible(tmp_path: Path) -> None:
    path = tmp_path / "closed.arpa"
    path.write_text(SRILM.replace("ngram 1=5", "ngram 1=4").replace("-1.20412\t<UNK>\n", ""))
    assert read_arpa(path).score_words(["dog"]) == -math.inf


def test_a_missing_suffix_is_bridged(tmp_path: Path) -> None:
    path = tmp_path / "pruned.arpa"
    text = SRILM.replace("ngram 2=4", "ngram 2=3").replace("-0.2 THE CAT -0.3\n", "")
    path.write_text(text)
    model = read_arpa(path)
    log10 = model.score_words(["the", "cat"]) / math.log(10)
    assert log10 == pytest.approx(-0.1 - 0.05 - 0.3, abs=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "\\date\\", "no .data. line; it was cut off or is no ARPA file"),
        ("ngram 1=5\n", "", "count of order 1 is missing"),
        ("ngram 1=5\nngram 2=4\nngram 3=1\n", "", "no 'ngram 1='"),
        ("ngram 1=5", "ngram 1=6", r":15: '' has 0 fields"),
        ("ngram 1=5", "ngram 1=4", r":14: found .*2-grams: should be"),
        ("ngram 2=4", "ngram 2=9", "fields"),
        ("-0.60206\tCAT\t-0.2", "-0.60206", r":13: '-0.60206' has 1 fields"),
        ("-0.2 THE CAT", "-0.2 THE DOG", r":18: 'DOG' is no unigram"),
        ("-0.1\t<s> THE", "abc\t<s> THE", r":17: .* numbers that make no sense"),
        ("-0.1\t<s> THE", "nan\t<s> THE", r":17: .* numbers that make no sense"),
        ("-0.1\t<s> THE", "0.5\t<s> THE", r":17: .* numbers that make no sense"),
        ("-0.3\tCAT </s>", "-0.3\tTHE CAT", "'the cat' comes twice"),
        ("-0.60206\tCAT\t-0.2", "-0.60206\tTHE\t-0.2", "'CAT' is no unigram"),
        ("-0.05\t<s> THE CAT", "-0.05\tTHE THE CAT", "has no context 'the the'"),
        ("\\end\\\n", "", "the file ends early"),
        ("\\end\\\n", "-1 the\n\\end\\\n", "where .end. should be"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "bad.arpa"
    assert old in SRILM
    path.write_text(SRILM.replace(old, new, 1))
    with pytest.raises(DecodeError, match=message) as failure:
        read_arpa(path)
    assert str(failure.value).startswith(str(path))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match=r"none\.arpa: cannot be read"):
        read_arpa(tmp_path / "none.arpa")
    cut = tmp_path / "cut.arpa.gz"
    cut.write_bytes(gzip.compress(SRILM.encode())[:-20])
    with pytest.raises(DecodeError, match=r"cut\.arpa\.gz: cannot be read"):
        read_arpa(cut)


def test_digest_follows_content() -> None:
    one, same, other = (build_ngram(text, order=2) for text in (TEXT, list(TEXT), TEXT[:-1]))
    assert one.digest == same.digest != other.digest
