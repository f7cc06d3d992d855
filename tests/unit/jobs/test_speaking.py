"""Candidates that are too long to be read again, among those of a real language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch

from sylvian.decoding.sentences import _generated, _too_long
from sylvian.jobs import Job
from sylvian.models.backbones import backbone_of
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from sylvian.runs import RunFolder
from tiny.llms import tokenizer
from tiny.speech import batch, build, phoneme_model, settings

SHORT = GreedyConfig(tokens_per_s=0, least_tokens=3)


@pytest.fixture
def job(train: Callable[..., RunFolder]) -> Job:
    return Job.open(train("end_to_end"), "test")


def learned_places() -> SpeechLlm:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=320, n_embd=16, n_layer=1, n_head=2, n_positions=120, bos_token_id=None
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = backbone_of(GPT2LMHeadModel(config).eval())
    own = settings(lora=None)
    return build_speech_llm(phoneme_model(), backbone, tokenizer(), own, seed=3).eval()


def test_a_candidate_longer_than_any_of_training_is_scored(job: Job) -> None:
    unread: Counter[str] = Counter()
    speaker = build("llama")
    ((own, score),) = _generated(job, speaker, batch((9,)), SHORT, None, unread)
    assert len(own.hypotheses) == 1
    found = score(["yes " * 200, "yes"])
    assert all(nats is not None and nats < 0 for nats in found.values())
    assert list(_too_long(speaker, unread)) == []


def test_what_the_context_has_no_place_for_is_counted_and_said(job: Job) -> None:
    unread: Counter[str] = Counter()
    speaker = learned_places()
    asked = [score for _, score in _generated(job, speaker, batch((9, 7)), SHORT, None, unread)]
    for score in asked:
        found = score(["a " * 90, "yes", "a " * 95])
        assert [nats is None for nats in found.values()] == [True, False, True]
    assert sum(unread.values()) == 4
    (said,) = _too_long(speaker, unread)
    assert said == (
        "4 candidates of 2 trials (such as toy/T15/2023-08-11/b01/t000) left out of the joint "
        "lists: longer than the 120 places of GPT2LMHeadModel"
    )
