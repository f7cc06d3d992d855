"""Search held against all sentences there are, and against transformers' own generation."""

import math
from collections import Counter
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch

from sylvian.models.generation import generate
from sylvian.models.prompts import PromptConfig
from sylvian.models.sentence_search import BeamConfig, GreedyConfig, NucleusConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from sylvian.models.word_constraint import WordConstraint
from tiny.llms import TEXT_LLMS, backbone
from tiny.speech import N_BINS, batch, build, phoneme_model, settings, stir

WORDS = ("<end>", "a", "b", "c", "d")
CAP = 3


@cache
def five_words() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    table = {word: number for number, word in enumerate(WORDS)}
    plain = Tokenizer(models.WordLevel(table, unk_token="d"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>")


@cache
def small(name: str) -> SpeechLlm:
    config = settings(prompt=PromptConfig(text="a # b c"))
    llm = backbone(name, n_tokens=len(WORDS))
    speech = build_speech_llm(phoneme_model(), llm, five_words(), config)
    stir(speech)
    return speech.eval()


@torch.no_grad()
def every_sentence(speech: SpeechLlm, row: int) -> dict[tuple[tuple[int, ...], bool], float]:
    """Log-probability of everything the cap allows, from whole, unpadded, uncached sequences."""
    one = batch((N_BINS[row],))
    neural, embed = speech.listen(one), speech.llm.embed
    prompt = [embed(torch.tensor(part)) for part in (speech.prompt.before, speech.prompt.after)]
    every = torch.tensor(list(product(range(len(WORDS)), repeat=CAP)))
    start = torch.cat((prompt[0], neural.tokens[0], prompt[1])).expand(len(every), -1, -1)
    whole = torch.cat((start, embed(every)), 1)
    logits = speech.llm.causal(inputs_embeds=whole).logits[:, -CAP - 1 : -1].double()
    nats = logits.log_softmax(-1).gather(2, every.unsqueeze(2)).squeeze(2)
    found = {}
    for tokens, own in zip(every.tolist(), nats, strict=True):
        finished = 0 in tokens
        length = tokens.index(0) if finished else CAP
        found[tuple(tokens[:length]), finished] = float(own[: length + finished].sum())
    return found


@pytest.mark.parametrize("name", TEXT_LLMS)
def test_a_wide_beam_finds_what_exhaustive_search_finds(name):
    wide = BeamConfig(beams=200, n_best=200, most_tokens=CAP)
    for row, own in enumerate(generate(small(name), batch(), wide)):
        truth = every_sentence(small(name), row)
        found = {(c.tokens, c.finished): c.nats for c in own.candidates}
        assert found.keys() == truth.keys()
        assert found == pytest.approx(truth, abs=1e-4)
        ended = sorted((nats for (_, finished), nats in truth.items() if finished), reverse=True)
        assert [c.nats for c in own.candidates][: len(ended)] == pytest.approx(ended, abs=1e-4)


@pytest.mark.parametrize("name", TEXT_LLMS)
def test_held_to_words_it_finds_all_sentences_of_these_words_and_no_others(name):
    speech, wide = small(name), BeamConfig(beams=200, n_best=200, most_tokens=CAP)
    rule = WordConstraint(speech.prompt, ("a", "c"))
    for row, own in enumerate(generate(speech, batch(), wide, words=rule)):
        every = every_sentence(speech, row)
        truth = {key: nats for key, nats in every.items() if set(key[0]) <= {1, 3}}
        found = {(c.tokens, c.finished): c.nats for c in own.candidates}
        assert found.keys() == truth.keys() and len(found) == 15
        assert found == pytest.approx(truth, abs=1e-4)


def test_sampling_with_everything_allowed_follows_the_probabilities():
    """One trial under 2,000 names, each of which draws on its own."""
    speech, n_draws = small("qwen2"), 2000
    truth = every_sentence(speech, 1)
    shares = [0.0] * len(WORDS)
    for (tokens, _), nats in truth.items():
        shares[tokens[0] if tokens else 0] += math.exp(nats)
    config = NucleusConfig(p=1.0, temperature=1.0, most_tokens=1)
    drawn = generate(speech, batch((N_BINS[1],) * n_draws), config)
    counts = Counter((*own.candidates[0].tokens, 0)[0] for own in drawn)
    for word, share in enumerate(shares):
        deviation = math.sqrt(share * (1 - share) / n_draws)
        assert abs(counts[word] / n_draws - share) < 4 * deviation + 1e-9


@pytest.mark.parametrize("name", TEXT_LLMS)
def test_greedy_is_what_transformers_generates(name):
    speech = build(name)
    with torch.no_grad():
        prompts = speech.prompts(speech.listen(batch()))
        theirs = speech.llm.causal.generate(
            inputs_embeds=prompts.embeds,
            attention_mask=prompts.real.long(),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=speech.prompt.end,
            pad_token_id=speech.prompt.end,
        )
    greedy = GreedyConfig(least_tokens=12, most_tokens=12)
    for own, row in zip(generate(speech, batch(), greedy), theirs.tolist(), strict=True):
        end = row.index(speech.prompt.end) if speech.prompt.end in row else len(row)
        assert list(own.candidates[0].tokens) == row[:end]
