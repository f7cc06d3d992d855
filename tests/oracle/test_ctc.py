"""CTC by the definition: sum over every alignment, and differentiate that sum."""

import itertools
import math

import pytest
import torch

from sylvian.models.ctc import ctc_nats, frames_needed


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    """Merge repeats, then drop blanks."""
    return tuple(token for token, _ in itertools.groupby(path) if token)


def nats_by_enumeration(logits: torch.Tensor, labels: tuple[int, ...]) -> float:
    log_probs = logits.double().log_softmax(-1)
    total = 0.0
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        if collapse(path) == labels:
            total += math.exp(sum(float(log_probs[at, token]) for at, token in enumerate(path)))
    return -math.log(total) if total else math.inf


CASES = [
    (5, (1, 2)),
    (5, (1, 1)),
    (6, (2, 2, 1)),
    (3, (1, 1)),
    (4, (1, 2, 1, 2)),
    (4, (2,)),
    (1, (1,)),
]


def noise(n_frames: int, seed: int, n_tokens: int = 3) -> torch.Tensor:
    return 2 * torch.randn(n_frames, n_tokens, generator=torch.Generator().manual_seed(seed))


def score(trials: list[torch.Tensor], labels: list[tuple[int, ...]]) -> torch.Tensor:
    longest = max(map(len, labels))
    padded = torch.tensor([[*own, *[0] * (longest - len(own))] for own in labels])
    logits = torch.nn.utils.rnn.pad_sequence(trials, batch_first=True, padding_value=50.0)
    lengths = [torch.tensor([len(each) for each in group]) for group in (trials, labels)]
    return ctc_nats(logits, lengths[0], padded, lengths[1])


def test_equals_the_sum_over_alignments_in_one_padded_batch():
    trials = [noise(n_frames, seed) for seed, (n_frames, _) in enumerate(CASES)]
    labels = [own for _, own in CASES]
    expected = [nats_by_enumeration(*pair) for pair in zip(trials, labels, strict=True)]
    assert score(trials, labels).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("n_frames", "labels"), CASES[:3])
def test_gradient_equals_that_of_the_sum(n_frames, labels):
    logits = noise(n_frames, 9).requires_grad_()
    (ours,) = torch.autograd.grad(score([logits], [labels]).sum(), logits)
    step = 1e-5
    for frame, token in itertools.product(range(n_frames), range(3)):
        nudge = torch.zeros(n_frames, 3, dtype=torch.float64)
        nudge[frame, token] = step
        high, low = (
            nats_by_enumeration(logits.detach().double() + sign * nudge, labels) for sign in (1, -1)
        )
        assert float(ours[frame, token]) == pytest.approx((high - low) / (2 * step), abs=2e-5)


@pytest.mark.parametrize(
    "labels", [own for length in (1, 2, 3) for own in itertools.product((1, 2), repeat=length)]
)
def test_frames_needed_is_where_the_first_alignment_appears(labels):
    known = torch.tensor([labels]), torch.tensor([len(labels)])
    needed = int(frames_needed(*known))
    assert nats_by_enumeration(torch.zeros(needed, 3), labels) < math.inf
    assert nats_by_enumeration(torch.zeros(needed - 1, 3), labels) == math.inf
    short = torch.zeros(needed - 1, 3, requires_grad=True)
    if needed > 1:
        loss = score([short], [labels])
        loss.sum().backward()
        assert (loss.item(), short.grad.count_nonzero()) == (0.0, 0)
