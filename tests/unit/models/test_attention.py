"""Attention over packed trials against the same thing written out or done by torch."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sylvian.models.attention import Attention, Context
from sylvian.models.dropout import Dice
from sylvian.models.packed import attend_packed, attend_padded
from sylvian.models.rotary import Rotary, rotate

HEADS, HEAD_WIDTH = 2, 4
CONTEXTS = [Context(), Context(forward=0), Context(backward=3, forward=0), Context(2, 1)]


def packed(lengths: list[int], spare: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(lengths))
    rows = sum(lengths) + spare
    qkv = torch.randn(rows, 3, HEADS, HEAD_WIDTH, generator=generator, dtype=dtype)
    return qkv.requires_grad_()


def table(longest: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return Rotary(HEAD_WIDTH, base=100.0).table(torch.arange(longest) * 5.0).to(dtype)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    "lengths", [[1], [5], [16], [17, 3, 40, 16], [9, 9, 9], [4, 7, 7, 300, 300]]
)
def test_packed_equals_padded_forwards_and_backwards(lengths, context):
    qkv, hidden = packed(lengths, spare=3), context.hidden(max(lengths))
    outputs, gradients = [], []
    for attend in (attend_packed, attend_padded):
        joined = attend(
            qkv, lengths, table=table(max(lengths)), hidden=hidden, causal=context.causal
        )
        weights = torch.arange(joined.numel()).view_as(joined).sin()
        gradients.append(torch.autograd.grad((joined * weights).sum(), qkv)[0])
        outputs.append(joined)
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


class _Kernels(TorchDispatchMode):
    """Notes with which mask the fused attention kernel was called."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[torch.Tensor | None] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default:
            self.masks.append((kwargs or {}).get("attn_mask"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("lengths", "context", "masked"),
    [
        ([20, 20, 20], Context(), False),
        ([20, 20, 20], Context(forward=0), False),
        ([20, 9, 20], Context(forward=0), False),
        ([20, 9, 20], Context(), True),
        ([20, 20, 20], Context(3, 0), True),
    ],
)
def test_there_is_a_mask_only_where_one_is_needed(lengths, context, masked):
    """A mask would keep accelerators from their fastest kernel."""
    hidden = context.hidden(20)
    with _Kernels() as kernels:
        qkv = packed(lengths, spare=2).detach()
        attend_padded(qkv, lengths, table=table(20), hidden=hidden, causal=context.causal)
    assert [mask is not None for mask in kernels.masks] == [masked]


@pytest.mark.parametrize("attend", [attend_packed, attend_padded])
def test_spare_rows_come_out_as_zeros(attend):
    joined = attend(packed([4], spare=5), [4], table=table(4))
    assert joined.shape == (9, HEADS * HEAD_WIDTH)
    assert joined[4:].count_nonzero() == 0


@pytest.mark.parametrize("context", CONTEXTS)
def test_gradients_are_right(context):
    lengths = [3, 3, 5]
    qkv = packed(lengths, spare=1, dtype=torch.float64)
    known = {"table": table(5, torch.float64), "hidden": context.hidden(5)}
    assert torch.autograd.gradcheck(lambda rows: attend_packed(rows, lengths, **known), (qkv,))


def test_dropout_is_the_same_backwards_as_forwards():
    """Written out with the very masks that the packed version draws, autograd agrees."""
    lengths, turn = [6, 18, 18], table(18)
    qkv, tiled = packed(lengths), [16, 32, 32]
    torch.manual_seed(5)
    ours = attend_packed(qkv, lengths, table=turn, dropout=0.4)
    torch.manual_seed(5)
    dice = Dice(0.4)
    roll, theirs = dice.start(), []
    for n, tile, trial in zip(lengths, tiled, qkv.split(lengths), strict=True):
        query, key = rotate(trial[:, :2].permute(1, 2, 0, 3), turn[..., :n, :])
        weights = (query @ key.transpose(1, 2)).softmax(-1)
        keep = dice.keep(roll, out=torch.empty(HEADS, tile, tile))[:, :n, :n]
        heads = weights * keep * dice.scale @ trial[:, 2].transpose(0, 1)
        theirs.append(heads.transpose(0, 1).flatten(1))
    expected = torch.cat(theirs)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    slope = torch.arange(ours.numel()).view_as(ours).cos()
    gradients = [torch.autograd.grad((out * slope).sum(), qkv)[0] for out in (ours, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_bfloat16_stays_close():
    lengths = [50, 33]
    qkv = packed(lengths).detach()
    exact = attend_packed(qkv, lengths, table=table(50))
    rough = attend_packed(qkv.bfloat16(), lengths, table=table(50))
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() < 0.01 * exact.norm()


def test_scores_depend_on_distance_only():
    near, far = torch.arange(6) * 5.0, torch.arange(6) * 5.0 + 1000
    heads = torch.randn(2, HEADS, 6, HEAD_WIDTH, generator=torch.Generator().manual_seed(0))
    rotary = Rotary(HEAD_WIDTH, base=10_000.0)
    scores = []
    for position in (near, far):
        query, key = rotate(heads, rotary.table(position))
        scores.append(query @ key.transpose(1, 2))
    torch.testing.assert_close(*scores, atol=1e-3, rtol=1e-3)


def test_rotation_is_the_complex_product_of_the_halves():
    heads = torch.randn(2, 1, 3, HEAD_WIDTH, generator=torch.Generator().manual_seed(0))
    position = torch.tensor([0.0, 5.0, 10.0])
    turned = rotate(heads, Rotary(HEAD_WIDTH, base=100.0).table(position))[1, 0]
    rates = 100.0 ** -torch.tensor([0.0, 0.5])
    phase = torch.polar(torch.ones(3, 2), torch.outer(position, rates))
    expected = torch.complex(heads[1, 0, :, :2], heads[1, 0, :, 2:]) * phase
    torch.testing.assert_close(turned, torch.cat([expected.real, expected.imag], dim=1))


@pytest.mark.parametrize("context", CONTEXTS)
def test_context_hides_what_is_out_of_reach(context):
    hidden = context.hidden(7)
    for query in range(7):
        for key in range(7):
            back = context.backward is not None and query - key > context.backward
            ahead = context.forward is not None and key - query > context.forward
            assert (hidden is not None and bool(hidden[query, key])) == (back or ahead)
    if hidden is not None:
        assert torch.equal(context.hidden(7, n_queries=2), hidden[5:])


def test_cache_is_bounded_by_the_context():
    torch.manual_seed(0)
    attention = Attention(8, heads=HEADS, head_width=HEAD_WIDTH, dropout=0.0)
    context, cache = Context(backward=3, forward=0), attention.start()
    for _ in range(4):
        _, cache = attention.step(torch.randn(2, 8), cache, table=table(2), context=context)
    assert cache.key.shape[1] == cache.value.shape[1] == 3
