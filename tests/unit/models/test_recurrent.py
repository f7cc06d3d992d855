"""Our GRU layers against torch's."""

import pytest
import torch
from torch import nn

from sylvian.models.recurrent import _run_fused, run_gru


def trials(lengths: list[int]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(len(lengths))
    return [torch.randn(n, 5, generator=generator).requires_grad_() for n in lengths]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[1], [6], [3, 9, 1, 9]])
def test_equals_torch_forwards_and_backwards(lengths, bidirectional):
    torch.manual_seed(0)
    gru = nn.GRU(5, 7, num_layers=2, bidirectional=bidirectional, batch_first=True)
    states = torch.randn(4 if bidirectional else 2, 7, requires_grad=True)
    inputs, results = trials(lengths), []
    for run in (run_gru, _run_fused):
        outputs = run(gru, torch.cat(inputs), lengths, states)
        loss = (outputs * torch.arange(outputs.numel()).view_as(outputs).sin()).sum()
        gradients = torch.autograd.grad(loss, [*inputs, states, *gru.parameters()])
        results.append([outputs, *gradients])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_mixed_precision_stays_close():
    torch.manual_seed(0)
    gru = nn.GRU(5, 32, num_layers=3, batch_first=True)
    lengths, gradients = [40, 25], []
    rows = torch.cat(trials(lengths)).detach()
    for mixed in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            outputs = run_gru(gru, rows, lengths, torch.zeros(3, 32))
        own = torch.autograd.grad(outputs.float().square().sum(), list(gru.parameters()))
        gradients.append(torch.cat([gradient.flatten() for gradient in own]))
    exact, rough = gradients
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.02 * exact.norm()


def test_dropout_acts_between_layers_while_training():
    torch.manual_seed(0)
    gru = nn.GRU(5, 8, num_layers=2, dropout=0.5, batch_first=True)
    known = gru, torch.randn(6, 5), [6], torch.zeros(2, 8)
    assert not torch.equal(run_gru(*known), run_gru(*known))
    gru.eval()
    assert torch.equal(run_gru(*known), run_gru(*known))
