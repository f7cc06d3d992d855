"""Our GRU layers against torch's."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from sylvian.models.recurrent import run_gru


def trials(lengths: list[int]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(len(lengths))
    return [torch.randn(n, 5, generator=generator).requires_grad_() for n in lengths]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[1], [6], [3, 9, 1, 9]])
def test_equals_torch_forwards_and_backwards(lengths, bidirectional):
    torch.manual_seed(0)
    gru = nn.GRU(5, 7, num_layers=2, bidirectional=bidirectional, batch_first=True)
    states = torch.randn(4 if bidirectional else 2, 1, 7, requires_grad=True)
    inputs, results = trials(lengths), []
    for run in (lambda *given: run_gru(gru, *given), lambda *given: gru(*given)[0]):
        packed = pack_sequence(inputs, enforce_sorted=False)
        outputs = run(packed, states.expand(-1, len(lengths), -1).contiguous())
        padded, _ = pad_packed_sequence(outputs, batch_first=True)
        loss = (padded * torch.arange(padded.numel()).view_as(padded).sin()).sum()
        gradients = torch.autograd.grad(loss, [*inputs, states, *gru.parameters()])
        results.append([padded, *gradients])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_mixed_precision_stays_close():
    torch.manual_seed(0)
    gru = nn.GRU(5, 32, num_layers=3, batch_first=True)
    packed = pack_sequence([trial.detach() for trial in trials([40, 25])], enforce_sorted=False)
    states, gradients = torch.zeros(3, 2, 32), []
    for mixed in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            outputs = run_gru(gru, packed, states).data
        own = torch.autograd.grad(outputs.float().square().sum(), list(gru.parameters()))
        gradients.append(torch.cat([gradient.flatten() for gradient in own]))
    exact, rough = gradients
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.02 * exact.norm()


def test_dropout_acts_between_layers_while_training():
    torch.manual_seed(0)
    gru = nn.GRU(5, 8, num_layers=2, dropout=0.5, batch_first=True)
    packed, states = pack_sequence([torch.randn(6, 5)]), torch.zeros(2, 1, 8)
    assert not torch.equal(run_gru(gru, packed, states).data, run_gru(gru, packed, states).data)
    gru.eval()
    assert torch.equal(run_gru(gru, packed, states).data, run_gru(gru, packed, states).data)
