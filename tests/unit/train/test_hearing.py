import itertools

import numpy as np
import pytest
import torch

from sylvian.models.assembled import AssemblyConfig, build_assembled
from sylvian.models.backbones import Backbone
from sylvian.models.prompts import Prompt, PromptConfig
from sylvian.train.hearing import (
    HearingConfig,
    Lesson,
    learn_sentences,
    learn_words,
    surprise,
    transcribe,
)
from tiny.llms import model, tokenizer

SOUND = 24
TOKENS = (40, 50, 60, 70, 80, 90)


def quiet(stage: str, step: int, steps: int, nats: float) -> None:
    assert stage in ("words", "sentences") and 1 <= step <= steps and np.isfinite(nats)


def lesson(tokens: tuple[int, ...], rng: np.random.Generator) -> Lesson:
    """Each token has a sound of its own, two frames long, with a pause behind it."""
    table = torch.from_numpy(np.random.default_rng(0).normal(size=(100, SOUND))).float()
    frames = [row for token in tokens for row in (token, token, 0)]
    noise = torch.from_numpy(rng.normal(size=(len(frames), SOUND))).float()
    return Lesson(str(tokens), tokens, table[frames] + 0.1 * noise)


def lessons(n: int, seed: int) -> list[Lesson]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, n)
    return [lesson(tuple(rng.choice(TOKENS, size).tolist()), rng) for size in sizes]


@pytest.fixture
def llm() -> Backbone:
    causal = model("llama", seed=3)
    config = AssemblyConfig(frames=2, hidden=32)
    return Backbone(causal, build_assembled(config, SOUND, causal.get_input_embeddings()))


@pytest.fixture
def prompt() -> Prompt:
    return Prompt(PromptConfig(), tokenizer(), n_embeddings=320, modality="audio")


def test_words_are_found_where_they_are_heard(llm):
    config = HearingConfig(word_epochs=30, word_rate=1e-2, batch=8)
    embedding = llm.causal.get_input_embeddings().weight.detach()
    llm.audio.requires_grad_(True)
    before = {n: p.clone() for n, p in llm.causal.state_dict().items()}
    learn_words(llm.audio, embedding, lessons(64, seed=1), config, told=quiet)
    assert all(torch.equal(p, before[n]) for n, p in llm.causal.state_dict().items())
    right = total = 0
    for own in lessons(20, seed=2):
        with torch.no_grad():
            made = torch.nn.functional.normalize(llm.audio(own.sound), dim=-1)
        table = torch.nn.functional.normalize(embedding[list(TOKENS)], dim=-1)
        cosine, best = (made @ table.T).max(-1)
        spoken = [TOKENS[b] if c > 0.3 else 0 for c, b in zip(cosine, best, strict=True)]
        found = tuple(token for token, _ in itertools.groupby(spoken) if token)
        right, total = right + (found == own.tokens), total + 1
    assert right >= 0.9 * total


def test_only_the_projector_learns_and_it_listens(llm, prompt):
    config = HearingConfig(steps=40, rate=3e-2, batch=8)
    learned, held_out = lessons(64, seed=1), lessons(20, seed=2)
    own = [one.sound for one in held_out]
    others = [*own[1:], own[0]]
    nats, _ = surprise(llm, prompt, held_out, own)
    causal = {n: p.clone() for n, p in llm.causal.state_dict().items()}
    assert learn_sentences(llm, prompt, learned, config, told=quiet) == 40
    assert all(torch.equal(p, causal[n]) for n, p in llm.causal.state_dict().items())
    assert not any(p.requires_grad for p in llm.parameters())
    after, _ = surprise(llm, prompt, held_out, own)
    shuffled, _ = surprise(llm, prompt, held_out, others)
    nothing, _ = surprise(llm, prompt, held_out, [sound[:0] for sound in own])
    assert sum(after) < 0.97 * sum(nats)
    assert sum(after) < 0.98 * sum(shuffled) and sum(after) < 0.95 * sum(nothing)


def test_the_second_stage_ends_when_its_time_is_up(llm, prompt):
    config = HearingConfig(steps=10_000, minutes=1e-12, batch=2)
    assert learn_sentences(llm, prompt, lessons(8, seed=1), config, told=quiet) == 0


def test_surprise_is_what_the_language_model_says(llm, prompt):
    """Held against the model of transformers itself, sentence by sentence."""
    some = lessons(5, seed=4)
    sounds = [one.sound[: 3 * i] for i, one in enumerate(some)]  # the first is none at all
    nats, counts = surprise(llm, prompt, some, sounds, batch=2)
    for one, sound, own, count in zip(some, sounds, nats, counts, strict=True):
        target = (*one.tokens, prompt.end)
        words = [llm.embed(torch.tensor(t)) for t in (prompt.before, prompt.after, target)]
        with torch.no_grad():
            row = torch.cat((words[0], llm.audio(sound), words[1], words[2]))
            logits = llm.causal(inputs_embeds=row[None]).logits[0].log_softmax(-1)
        places = range(len(row) - len(target) - 1, len(row) - 1)
        truth = -sum(float(logits[p, t]) for p, t in zip(places, target, strict=True))
        assert own == pytest.approx(truth, rel=1e-4)
        assert count == len(target)


def test_transcripts_do_not_depend_on_their_neighbours(llm, prompt):
    sounds = [one.sound for one in lessons(4, seed=5)]
    together = transcribe(llm, prompt, sounds, token_s=0.08)
    alone = [transcribe(llm, prompt, [sound], token_s=0.08)[0] for sound in sounds]
    assert together == alone


def test_lessons_without_room_are_known():
    rng = np.random.default_rng(0)
    sound = lesson((40, 50), rng).sound
    assert Lesson("x", (40, 50), sound[:2]).fits()
    assert not Lesson("x", (40, 40), sound[:2]).fits()
    assert Lesson("x", (40, 40), sound[:3]).fits()
