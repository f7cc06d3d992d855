import numpy as np
import torch

from sylvian.evaluate.phoneme_errors import PhonemeErrors
from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.text import Lexicon
from sylvian.text.soundalikes import Soundalikes
from sylvian.train.phoneme_llm import PhonemeLlmTraining, fit_phoneme_llm, lessons
from tiny.llms import backbone, tokenizer

LEXICON = Lexicon.cmudict().restrict(("yes", "water", "glass", "think", "about", "it"))
SENTENCES = (
    "yes",
    "think about it",
    "water",
    "think about water",
    "glass",
    "it",
    "yes it",
    "about",
)
SPOKEN = [(sentence, LEXICON.phonemes(sentence)) for sentence in SENTENCES]
ERRORS = PhonemeErrors.count([(SPOKEN[1][1], SPOKEN[1][1][1:]), (SPOKEN[2][1], SPOKEN[2][1])])
SOUNDS = Soundalikes(LEXICON, dict.fromkeys(LEXICON.words, 1), choices=4)
CONFIG = PhonemeLlmTraining(steps=8, batch=4, rate=1e-2, sound_rate=1e-2, warmup=1)


def trained(config: PhonemeLlmTraining = CONFIG) -> tuple[PhonemeLlm, list[float]]:
    model = PhonemeLlm(backbone("llama"), tokenizer(), SOUNDS.words, width=8)
    return model, fit_phoneme_llm(model, SPOKEN, ERRORS, SOUNDS, config=config)


def test_every_sentence_is_visited_as_often_as_every_other() -> None:
    visited = [
        sentence for lesson in lessons(SPOKEN, ERRORS, CONFIG) for sentence in lesson.sentences
    ]
    assert len(visited) == CONFIG.steps * CONFIG.batch
    assert {visited.count(sentence) for sentence in SENTENCES} == {4}


def test_errors_are_drawn_anew_at_every_visit() -> None:
    heard = {
        own
        for lesson in lessons(SPOKEN, ERRORS, CONFIG.model_copy(update={"steps": 40}))
        for sentence, own in zip(lesson.sentences, lesson.heard, strict=True)
        if sentence == "think about it"
    }
    assert len(heard) > 3


def test_the_seed_decides_the_lessons() -> None:
    first, again = (next(lessons(SPOKEN, ERRORS, CONFIG)) for _ in range(2))
    other = next(lessons(SPOKEN, ERRORS, CONFIG.model_copy(update={"seed": 1})))
    assert first == again
    assert first != other


def test_the_loss_falls_and_the_embeddings_stay() -> None:
    fresh = PhonemeLlm(backbone("llama"), tokenizer(), SOUNDS.words, width=8)
    model, losses = trained(CONFIG.model_copy(update={"steps": 40, "mixed": False}))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
    assert not model.training
    before = fresh.llm.causal.get_input_embeddings().weight  # type: ignore[operator]
    after = model.llm.causal.get_input_embeddings().weight  # type: ignore[operator]
    torch.testing.assert_close(before, after, rtol=0, atol=0)
    changed = [not torch.equal(p, fresh.tuned_state()[n]) for n, p in model.tuned_state().items()]
    assert np.mean(changed) > 0.9


def test_training_is_repeatable() -> None:
    (one, losses), (other, again) = trained(), trained()
    assert losses == again
    for name, values in one.tuned_state().items():
        torch.testing.assert_close(values, other.tuned_state()[name], rtol=0, atol=0)
