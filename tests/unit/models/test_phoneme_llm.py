import numpy as np
import pytest
import torch

from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.models.sentence_search import BeamConfig
from sylvian.text import SIL, Lexicon
from sylvian.text.soundalikes import Soundalikes, Sounds
from sylvian.types import TrialKey
from tiny.llms import backbone, tokenizer

LEXICON = Lexicon.cmudict().restrict(("yes", "water", "glass", "think", "about", "it"))
SOUNDS = Soundalikes(LEXICON, dict.fromkeys(LEXICON.words, 1), choices=4)
BEAM = BeamConfig(beams=3, n_best=3, least_tokens=6, tokens_per_s=1.0)
TEXTS = ["think about it", "think about water", "yes", ""]


def heard(*sentences: str) -> list[Sounds]:
    return SOUNDS.listen([LEXICON.phonemes(sentence) for sentence in sentences])


def keys(n: int) -> list[TrialKey]:
    return [TrialKey("toy", "T15", "2023-08-11", 1, i) for i in range(n)]


@pytest.fixture
def model() -> PhonemeLlm:
    built = PhonemeLlm(backbone("llama"), tokenizer(), SOUNDS.words, width=8)
    torch.nn.init.normal_(built.into.weight, generator=torch.Generator().manual_seed(0))
    return built.eval()


def test_a_stretch_is_one_place_between_start_and_separator(model: PhonemeLlm) -> None:
    prompts = model.prompts([*heard("think about it", "yes"), *SOUNDS.listen([(SIL,)])])
    assert [len(prompt) for prompt in prompts] == [5, 3, 2]
    assert len({tuple(prompt[0].tolist()) for prompt in prompts}) == 1


def test_at_first_a_word_is_its_tokens_mean_embedding() -> None:
    fresh = PhonemeLlm(backbone("llama"), tokenizer(), SOUNDS.words, width=8)
    (sounds,) = heard("water")
    (prompt,) = fresh.prompts([sounds])
    ids = torch.tensor(tokenizer()(" water", add_special_tokens=False)["input_ids"])
    expected = sounds.shares[0, 0] * fresh.llm.embed(ids).mean(0)
    torch.testing.assert_close(prompt[1], expected.float(), atol=0.05, rtol=0)


def test_the_phonemes_themselves_matter(model: PhonemeLlm) -> None:
    one, other = heard("yes", "yes")
    changed = Sounds((("Y", "AH", "S"),), other.words, other.shares)
    before, after = model.prompts([one, changed])
    assert not torch.allclose(before[1], after[1])


def test_what_is_heard_of_one_trial_is_nothing_to_another(model: PhonemeLlm) -> None:
    together = model.prompts(heard("think about it", "yes"))[1]
    torch.testing.assert_close(together, model.prompts(heard("yes"))[0])


def test_scores_in_trees_are_those_of_teacher_forcing(model: PhonemeLlm) -> None:
    trials, texts = heard("think about glass", "yes"), [TEXTS, TEXTS[:2]]
    with torch.no_grad():
        for sounds, own, scores in zip(trials, texts, model.score(trials, texts), strict=True):
            alone = [-model.loss([sounds], [text])[0].item() for text in own]
            np.testing.assert_allclose(scores, alone, atol=1e-3)


def test_the_loss_of_a_batch_is_that_of_its_sentences(model: PhonemeLlm) -> None:
    trials, sentences = heard("think about it", "yes"), ["think about it", "yes"]
    total, n = model.loss(trials, sentences)
    apart = [model.loss([own], [s]) for own, s in zip(trials, sentences, strict=True)]
    assert n == sum(tokens for _, tokens in apart)
    torch.testing.assert_close(total, sum((loss for loss, _ in apart), torch.zeros(())))


def test_what_is_written_does_not_depend_on_batch_mates(model: PhonemeLlm) -> None:
    trials = heard("think about it", "yes")
    for own, nbest in zip(trials, model.generate(keys(2), trials, BEAM), strict=True):
        (alone,) = model.generate([nbest.key], [own], BEAM)
        assert [h.text for h in nbest.hypotheses] == [h.text for h in alone.hypotheses]
        together, apart = (
            np.array([h.scores.end_to_end for h in one.hypotheses], dtype=float)
            for one in (nbest, alone)
        )
        np.testing.assert_allclose(together, apart, atol=1e-3)


def test_it_learns_to_write_what_it_hears(model: PhonemeLlm) -> None:
    sentences = ["yes", "think", "it"]
    trials = heard(*sentences)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=1e-2)
    for _ in range(60):
        total, n = model.loss(trials, sentences)
        optimizer.zero_grad()
        (total / n).backward()
        optimizer.step()
    found = model.generate(keys(3), trials, BEAM)
    assert [nbest.best.text for nbest in found] == sentences


def test_embeddings_stay_and_all_else_is_kept(model: PhonemeLlm) -> None:
    state = model.tuned_state()
    other = PhonemeLlm(backbone("llama", seed=1), tokenizer(), SOUNDS.words, width=8, seed=1)
    missing, unknown = other.load_state_dict(state, strict=False)
    assert not unknown
    assert {name for name in missing if "embed" not in name} <= {"llm.causal.lm_head.weight"}
    assert not set(missing) & set(other.tuned_state())


def test_it_reads_in_bfloat16(model: PhonemeLlm) -> None:
    trials = heard("think about it")
    (exact,) = model.score(trials, [TEXTS])
    (rounded,) = model.to(torch.bfloat16).score(trials, [TEXTS])
    np.testing.assert_allclose(rounded, exact, rtol=0.1)
