"""Acceptance check 7 (dossier §11), and what else the contrastive part promises."""

import math
from dataclasses import replace

import pytest
import torch

from sylvian.models.alignment import Aligner, AlignmentConfig, Pairs, masked_mean
from sylvian.models.endtoend import contrasted
from sylvian.models.projectors import behind
from sylvian.models.prompts import PromptConfig
from tiny.llms import SENTENCES
from tiny.speech import batch, build

WIDTH = 6


def aligner(**changes: object) -> Aligner:
    return Aligner(AlignmentConfig(**({"width": 4} | changes)), WIDTH, seed=1)


def rows(count: int, number: int = 0) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(number))


def pairs(count: int, number: int = 0, sentence: list[int] | None = None) -> Pairs:
    names = torch.arange(count) + 100 * number if sentence is None else torch.tensor(sentence)
    neural, text = rows(count, number), rows(count, number + 50)
    normal = torch.nn.functional.normalize
    return Pairs(normal(neural, dim=-1), normal(text, dim=-1), names)


def by_hand(own: Pairs, known: Pairs, scale: float, start: int = 0) -> float:
    """Symmetric InfoNCE as the formula reads, entry by entry."""
    total = 0.0
    for ours, theirs in ((own.neural, known.text), (own.text, known.neural)):
        for i, row in enumerate(ours):
            scores = [scale * (row @ other).item() for other in theirs]
            total -= scores[start + i] - math.log(sum(math.exp(score) for score in scores))
    return total / (2 * len(own.sentence))


def test_it_is_the_symmetric_formula():
    own = pairs(5)
    assert aligner()(own).item() == pytest.approx(by_hand(own, own, 10.0), rel=1e-5)


def test_neural_padding_cannot_change_it():
    speech = build()
    neural = speech.listen(batch())
    sentences = speech.encode(batch(), SENTENCES)
    clean = contrasted(speech, neural, sentences)
    wild = torch.full_like(neural.tokens, float("nan"))
    longer = torch.cat((neural.tokens, wild), 1)
    longer = longer.masked_fill(behind(neural.n_tokens, longer.shape[1]).unsqueeze(-1), 1e3)
    longer[:, -1] = float("nan")
    padded = contrasted(speech, replace(neural, tokens=longer), sentences)
    torch.testing.assert_close(padded.neural, clean.neural)
    torch.testing.assert_close(speech.aligner(padded), speech.aligner(clean))


def test_batch_mates_cannot_change_a_trials_pooled_vectors():
    speech = build()
    together = contrasted(speech, speech.listen(batch()), speech.encode(batch(), SENTENCES))
    alone = batch((batch().n_bins[1].item(),))
    own = contrasted(speech, speech.listen(alone), speech.encode(alone, SENTENCES[1:2]))
    torch.testing.assert_close(own.neural[0], together.neural[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(own.text[0], together.text[1], atol=1e-5, rtol=1e-4)
    assert own.sentence[0] == together.sentence[1]


def test_the_prompts_tokens_cannot_change_it():
    """The same weights behind another prompt pool the same vectors."""
    plain, wordy = build(), build(prompt=PromptConfig(text="listen closely # and write: "))
    assert plain.prompt.before != wordy.prompt.before
    found = [
        contrasted(speech, speech.listen(batch()), speech.encode(batch(), SENTENCES))
        for speech in (plain, wordy)
    ]
    assert torch.equal(found[0].neural, found[1].neural)
    assert torch.equal(found[0].text, found[1].text)


def test_only_the_sentences_own_tokens_are_pooled():
    speech = build()
    tokens = speech.encode(batch(), SENTENCES)
    found = contrasted(speech, speech.listen(batch()), tokens)
    for row, own in enumerate(tokens):
        mean = speech.llm.embed(torch.tensor(own)).mean(0)
        vector = torch.nn.functional.normalize(speech.aligner.text(mean), dim=-1)
        torch.testing.assert_close(found.text[row], vector)


def test_the_temperature_is_learned_and_clamped():
    own = aligner(temperature=0.1)
    assert own.scale().item() == pytest.approx(10.0)
    with torch.no_grad():
        own.log_scale.fill_(50.0)
    assert own.scale().item() == pytest.approx(100.0)
    own(pairs(4)).backward()
    assert own.log_scale.grad.abs() > 0  # the way back below the bound stays open


def test_the_clamp_holds_while_training():
    own = aligner(max_scale=12.0)
    optimiser = torch.optim.SGD([own.log_scale], lr=50.0)
    matching = pairs(4)
    matching = replace(matching, text=matching.neural)  # a higher scale is always better
    for _ in range(5):
        optimiser.zero_grad()
        own(matching).backward()
        optimiser.step()
        assert own.scale().item() <= 12.0 + 1e-4
    assert own.scale().item() == pytest.approx(12.0)


def test_gathered_processes_are_one_large_batch():
    own = aligner()
    whole = pairs(6)
    halves = [
        Pairs(*(getattr(whole, n)[part] for n in ("neural", "text", "sentence")))
        for part in (slice(0, 2), slice(2, 6))
    ]

    def gather_from(start: int):
        both = torch.cat((whole.neural, whole.text), 1)
        return lambda part: (whole.sentence if part.dim() == 1 else both, start)

    losses = [
        own(half, gather=gather_from(start)).item()
        for half, start in zip(halves, (0, 2), strict=True)
    ]
    assert own(whole.none(), gather=gather_from(6)).item() == 0.0
    assert losses[0] == pytest.approx(by_hand(halves[0], whole, 10.0, 0), rel=1e-5)
    assert losses[1] == pytest.approx(by_hand(halves[1], whole, 10.0, 2), rel=1e-5)
    assert (2 * losses[0] + 4 * losses[1]) / 6 == pytest.approx(own(whole).item(), rel=1e-5)


def test_a_queue_adds_earlier_pairs_as_negatives():
    own = aligner(queue=5).train()
    first, second, third = pairs(3, 1), pairs(3, 2), pairs(2, 3)

    def joined(*parts: Pairs) -> Pairs:
        return Pairs(
            *(torch.cat([getattr(p, n) for p in parts]) for n in ("neural", "text", "sentence"))
        )

    assert own(first).item() == pytest.approx(by_hand(first, first, 10.0), rel=1e-5)
    known = joined(second, first)
    assert own(second).item() == pytest.approx(by_hand(second, known, 10.0), rel=1e-5)
    last_five = Pairs(
        *(getattr(joined(first, second), n)[1:] for n in ("neural", "text", "sentence"))
    )
    truth = by_hand(third, joined(third, last_five), 10.0)
    assert own(third).item() == pytest.approx(truth, rel=1e-5)
    own.eval()
    before = own.queue_neural.clone()
    own(pairs(2, 4))
    assert torch.equal(own.queue_neural, before)  # validation leaves the queue alone


def test_a_batch_larger_than_the_queue_leaves_its_newest():
    own, large = aligner(queue=2).train(), pairs(5)
    own(large)
    assert sorted(own.queue_sentence.tolist()) == [3, 4]


def test_a_single_trial_learns_from_the_queue():
    own = aligner(queue=4).train()
    assert own(pairs(1, 1)).item() == 0.0
    assert own(pairs(1, 2)).item() > 0.0


def test_trials_of_one_sentence_do_not_repel_each_other():
    twice = pairs(3, sentence=[7, 8, 7])
    spared, blind = aligner()(twice), aligner(spare_equal=False)(twice)
    assert blind.item() == pytest.approx(by_hand(twice, twice, 10.0), rel=1e-5)
    assert spared.item() < blind.item()
    only = replace(twice, sentence=torch.tensor([7, 7, 7]))
    assert aligner()(only).item() == 0.0


def test_masked_means():
    values = torch.tensor([[[1.0], [3.0], [100.0]], [[2.0], [4.0], [6.0]]])
    assert masked_mean(values, torch.tensor([2, 3])).tolist() == [[2.0], [4.0]]


def test_the_seed_decides_the_weights_and_nothing_else():
    before = torch.get_rng_state()
    ours, same = (Aligner(AlignmentConfig(), WIDTH, seed=3) for _ in range(2))
    assert torch.equal(ours.neural.weight, same.neural.weight)
    assert torch.equal(torch.get_rng_state(), before)
