"""Acceptance check 6 (dossier §11): training and generation see the same sequence.

The truth is the whole model of transformers, asked in the plainest way: one trial at a time, no
padding, no cache. Teacher forcing over a padded batch and stepping with a key-value cache over a
differently padded batch must both agree with it.
"""

from dataclasses import replace

import pytest
import torch

from sylvian.models.backbones import backbone_of
from sylvian.models.projectors import CrossAttentionConfig, StackingConfig
from sylvian.models.sequences import IGNORED, side_by_side
from sylvian.models.speechllm import SpeechLlm
from tiny.llms import LLMS, SENTENCES, model
from tiny.speech import N_BINS, batch, build

TOLERANCE = {"atol": 2e-4, "rtol": 2e-4}
CASES = [(name, "neural") for name in LLMS] + [("qwen2_audio", "audio")]
every_case = pytest.mark.parametrize(("name", "modality"), CASES)


@torch.no_grad()
def plainly(speech: SpeechLlm, row: int) -> torch.Tensor:
    """Logits of one trial's sentence and end: alone, without padding, masks or positions."""
    one = batch((N_BINS[row],))
    neural = speech.listen(one)
    embed, prompt = speech.llm.embed, speech.prompt
    sentence = torch.tensor([*prompt.encode(SENTENCES[row]), prompt.end])
    before, after = (embed(torch.tensor(part)) for part in (prompt.before, prompt.after))
    whole = torch.cat((before, neural.tokens[0], after, embed(sentence)))
    logits = speech.llm.causal(inputs_embeds=whole[None]).logits[0]
    return logits[-len(sentence) - 1 : -1]


@torch.no_grad()
def step_by_step(speech: SpeechLlm, sentences: list[tuple[int, ...]]) -> list[torch.Tensor]:
    """Logits of a whole batch as generation sees them: left padding, one token at a time."""
    from transformers import DynamicCache

    sequences, cache = speech.prompts(speech.listen(batch())), DynamicCache()
    real, positions = sequences.real.long(), sequences.positions
    targets = [(*sentence, speech.prompt.end) for sentence in sentences]
    found = [speech.llm.step(sequences.embeds, real, positions, cache)]
    last = positions[:, -1:]
    for place in range(max(map(len, targets)) - 1):
        token = torch.tensor([[target[min(place, len(target) - 1)]] for target in targets])
        real = torch.cat((real, real.new_ones(len(real), 1)), 1)
        last = last + 1
        found.append(speech.llm.step(speech.llm.embed(token), real, last, cache))
    steps = torch.stack(found, 1)
    return [row[: len(target)] for row, target in zip(steps, targets, strict=True)]


@every_case
def test_teacher_forcing_and_stepping_agree_with_the_plain_model(name, modality):
    speech = build(name, modality)
    with torch.no_grad():
        logits, labels = speech(batch(), SENTENCES)
    sentences = speech.encode(batch(), SENTENCES)
    sizes = [len(sentence) + 1 for sentence in sentences]
    forced, stepped = logits.split(sizes), step_by_step(speech, sentences)
    assert labels.tolist() == [t for s in sentences for t in (*s, speech.prompt.end)]
    for row in range(len(N_BINS)):
        truth = plainly(speech, row)
        assert truth.std() > 0.3  # the comparison is about something
        torch.testing.assert_close(forced[row], truth, **TOLERANCE)
        torch.testing.assert_close(stepped[row], truth, **TOLERANCE)


@pytest.mark.parametrize("projector", [StackingConfig(frames=3), CrossAttentionConfig(texts=9)])
def test_so_it_is_with_other_projectors(projector):
    speech = build("qwen2", "neural", projector=projector)
    with torch.no_grad():
        logits, _ = speech(batch(), SENTENCES)
    sizes = [len(sentence) + 1 for sentence in speech.encode(batch(), SENTENCES)]
    for row, forced in enumerate(logits.split(sizes)):
        torch.testing.assert_close(forced, plainly(speech, row), **TOLERANCE)


@torch.no_grad()
def test_a_gap_in_the_positions_or_a_look_at_the_padding_would_show():
    """The check can fail: both defects of the reference (dossier §9.2) move the logits."""
    speech = build("qwen2", "neural")
    sequences = speech.prompts(speech.listen(batch()))
    truth = speech.llm.read(sequences)[:, -1]
    row, places = N_BINS.index(min(N_BINS)), sequences.positions.clone()
    places[:, -3:] += 5
    gap = speech.llm.read(replace(sequences, positions=places))[:, -1]
    seen = speech.llm.read(replace(sequences, real=torch.ones_like(sequences.real)))[:, -1]
    assert not torch.allclose(gap[row], truth[row], atol=1e-2)
    assert not torch.allclose(seen[row], truth[row], atol=1e-2)


def test_padding_never_lies_within_a_sequence():
    """Every row is prompt, own neural tokens, prompt, sentence, end, with nothing in between."""
    speech = build("qwen2", "neural")
    neural, sentences = speech.listen(batch()), speech.encode(batch(), SENTENCES)
    lessons, prompts = speech.lessons(neural, sentences), speech.prompts(neural)
    for row, sentence in enumerate(sentences):
        n_prompt = len(speech.prompt.before) + int(neural.n_tokens[row]) + len(speech.prompt.after)
        length = n_prompt + len(sentence) + 1
        assert lessons.real[row].tolist() == [
            place < length for place in range(lessons.real.shape[1])
        ]
        assert prompts.real[row].flip(0).tolist() == [
            place < n_prompt for place in range(prompts.real.shape[1])
        ]
        assert lessons.positions[row, :length].tolist() == list(range(length))
        assert prompts.positions[row, -n_prompt:].tolist() == list(range(n_prompt))
        assert lessons.labels[row].tolist()[:length] == [
            *[IGNORED] * n_prompt,
            *sentence,
            speech.prompt.end,
        ]
        assert (lessons.labels[row, length:] == IGNORED).all()
        start = len(speech.prompt.before)
        own = neural.tokens[row, : neural.n_tokens[row]]
        assert torch.equal(lessons.embeds[row, start : start + len(own)], own)


@torch.no_grad()
def test_the_audio_modality_is_the_audio_llms_own_path():
    """The audio encoder's words, sent our way, give what the whole audio-LLM answers."""
    whole = model("qwen2_audio")
    sound = torch.randn(1, 8, 80, generator=torch.Generator().manual_seed(5))
    heard = torch.ones(1, 80, dtype=torch.long)
    _, n_tokens = whole.model.audio_tower._get_feat_extract_output_lengths(heard.sum(-1))
    words = torch.tensor([7, 8, *[299] * int(n_tokens), 9, 10])
    truth = whole(
        input_ids=words[None],
        attention_mask=torch.ones_like(words)[None],
        input_features=sound,
        feature_attention_mask=heard,
    ).logits[0]
    latents = whole.model.audio_tower(sound).last_hidden_state
    llm = backbone_of(whole)
    tokens = llm.hear(latents)[0]
    ends = llm.embed(words[:2]), llm.embed(words[-2:])
    sequences = side_by_side([torch.cat((ends[0], tokens, ends[1]))], pad="right")
    torch.testing.assert_close(llm.predict(llm.read(sequences))[0], truth, **TOLERANCE)
