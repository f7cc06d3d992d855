from pathlib import Path

import numpy as np
import pytest

from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.graph import DecodingGraph, GraphConfig, build_graph
from sylvian.decode.ngram import build_ngram, write_arpa
from sylvian.errors import DecodeError
from sylvian.text import Lexicon, Vocabulary, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

LEXICON = Lexicon(
    {
        "their": [["DH", "EH", "R"]],
        "there": [["DH", "EH", "R"]],
        "the": [["DH", "AH"]],
        "a": [["AH"]],
    }
)
TEXT = ["the their", "there a the", "a the", "their the a", "there"]


def spell(graph: DecodingGraph, sentence: tuple[str, ...]) -> set[str]:
    """Decode perfect logits."""
    columns = graph.vocabulary.encode(sentence)
    values = np.zeros((len(columns), len(graph.vocabulary)), dtype=np.float32)
    values[np.arange(len(columns)), columns] = 30
    key = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
    config = DecodeConfig(acoustic_scale=1.0, blank_penalty=0.0)
    found = FirstPass(graph, config).decode(Logits(key, values, 0.1, graph.vocabulary))
    return {h.text for h in found.hypotheses if h.scores.acoustic > found.best.scores.acoustic - 1}


def test_all_homophones_are_kept() -> None:
    graph = build_graph(build_ngram(TEXT, order=2), LEXICON)
    assert spell(graph, ("DH", "EH", "R", "SIL")) == {"their", "there"}
    assert graph.report.n_words == 4
    assert graph.report.n_pronunciations == 4


def test_thirty_homophones_too() -> None:
    words = [f"{a}{b}" for a in "abcdef" for b in "vwxyz"]
    lexicon = Lexicon({word: [["DH", "AH"]] for word in words})
    graph = build_graph(build_ngram(words, order=1), lexicon)
    assert spell(graph, ("DH", "AH", "SIL")) == set(words)


def test_states_and_arcs_are_well_formed() -> None:
    graph = build_graph(build_ngram(TEXT * 3, order=3), LEXICON)
    arrays = graph.arrays
    assert arrays.first[0] == 0
    assert arrays.first[-1] == graph.n_arcs
    assert arrays.arcs[:, 2].max() < graph.n_states
    labels = arrays.arcs[:, 0] & 255
    assert 0 < labels.min() <= labels.max() < len(graph.vocabulary)
    assert (arrays.arcs.view(np.float32)[:, 1] >= -1e-5).all()
    goes = arrays.free_target >= 0
    assert (arrays.rank[arrays.free_target[goes]] < arrays.rank[goes]).all()
    reached = np.zeros(graph.n_states, dtype=bool)
    reached[arrays.arcs[:, 2]] = reached[arrays.free_target[goes]] = True
    assert reached[len(arrays.free_target) :].all(), "every inside of a word can be entered"


def test_words_without_pronunciation_are_reported_and_dropped() -> None:
    model = build_ngram([*TEXT, "the zyzzyva"], order=2)
    graph = build_graph(model, LEXICON.extended(["unsaid"]))
    assert graph.report.missing == ("zyzzyva",)
    assert graph.report.n_missing == 1
    assert graph.report.n_unreachable == 1
    said = build_graph(model, LEXICON, config=GraphConfig(missing_words="pronounce"))
    assert said.report.n_missing == 0
    assert "zyzzyva" in said.words
    phones = LEXICON.extended(["zyzzyva"])["zyzzyva"][0]
    assert spell(said, (*phones, "SIL")) >= {"zyzzyva"}


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(DecodeError, match="none of the language model's 1 words"):
        build_graph(build_ngram(["xyz"], order=1), LEXICON)


def test_a_phone_the_head_lacks_is_an_error() -> None:
    small = Vocabulary(("BLANK", "DH", "AH", "SIL"))
    with pytest.raises(DecodeError, match="'EH'"):
        build_graph(build_ngram(TEXT, order=1), LEXICON, vocabulary=small)
    with pytest.raises(DecodeError, match="'SIL'"):
        build_graph(build_ngram(["a"], order=1), LEXICON, vocabulary=Vocabulary(("BLANK", "AH")))


def test_the_cache_returns_the_same_graph(tmp_path: Path) -> None:
    model = build_ngram(TEXT, order=2)
    built = build_graph(model, LEXICON, cache=tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    stamp = (folder / "graph.safetensors").stat().st_mtime_ns
    again = build_graph(model, LEXICON, cache=tmp_path / "cache")
    assert (folder / "graph.safetensors").stat().st_mtime_ns == stamp
    assert (again.words, again.report, again.digest) == (built.words, built.report, built.digest)
    assert again.vocabulary == built.vocabulary
    assert all(map(np.array_equal, again.arrays, built.arrays))


def test_the_cache_key_covers_model_lexicon_and_config(tmp_path: Path) -> None:
    model = build_ngram(TEXT, order=2)
    digests = {
        build_graph(model, LEXICON, cache=tmp_path).digest,
        build_graph(build_ngram(TEXT, order=1), LEXICON, cache=tmp_path).digest,
        build_graph(model, LEXICON.extended(["new"]), cache=tmp_path).digest,
        build_graph(
            model, LEXICON, config=GraphConfig(silence_probability=0.5), cache=tmp_path
        ).digest,
    }
    assert len(digests) == len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("name", ["graph.safetensors", "graph.json"])
def test_a_damaged_cache_is_built_again(tmp_path: Path, name: str) -> None:
    model = build_ngram(TEXT, order=2)
    built = build_graph(model, LEXICON, cache=tmp_path)
    damaged = next(tmp_path.iterdir()) / name
    damaged.write_bytes(damaged.read_bytes()[:-30])
    again = build_graph(model, LEXICON, cache=tmp_path)
    assert all(map(np.array_equal, again.arrays, built.arrays))
    assert len(damaged.read_bytes()) > 30
    assert build_graph(model, LEXICON, cache=tmp_path).words == built.words


def test_an_arpa_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    write_arpa(build_ngram(TEXT, order=2), path)
    first = build_graph(path, LEXICON, cache=tmp_path / "cache")
    assert build_graph(path, LEXICON, cache=tmp_path / "cache").words == first.words
    with pytest.raises(DecodeError, match=r"none\.arpa: cannot be read"):
        build_graph(tmp_path / "none.arpa", LEXICON)


def test_silence_can_be_forbidden_or_required() -> None:
    model = build_ngram(TEXT, order=1)
    never = build_graph(model, LEXICON, config=GraphConfig(silence_probability=0))
    always = build_graph(model, LEXICON, config=GraphConfig(silence_probability=1))
    assert spell(never, ("AH", "DH", "AH")) == {"a the"}
    assert spell(never, ("AH", "SIL", "DH", "AH")) != {"a the"}
    assert spell(always, ("AH", "SIL", "DH", "AH", "SIL")) == {"a the"}


def test_the_published_vocabulary_is_the_default() -> None:
    assert build_graph(build_ngram(TEXT, order=1), LEXICON).vocabulary == phoneme_vocabulary()


def test_an_unwritable_cache_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(DecodeError, match=r"cache/graph-.*cannot be kept"):
        build_graph(build_ngram(TEXT, order=1), LEXICON, cache=blocked)


def test_too_many_tokens_are_refused() -> None:
    many = Vocabulary(tuple(f"t{i}" for i in range(300)))
    with pytest.raises(DecodeError, match="300 tokens"):
        build_graph(build_ngram(TEXT, order=1), LEXICON, vocabulary=many)


def test_a_model_without_sentence_marks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.arpa"
    path.write_text("\\data\\\nngram 1=1\n\n\\1-grams:\n-1\tthe\n\n\\end\\\n")
    with pytest.raises(DecodeError, match="lacks '<s>' or '</s>'"):
        build_graph(path, LEXICON)
