import subprocess
import sys

# In a process of its own: the compiler cannot look through the shape checks that tests install.
SCRIPT = """
import copy
import numpy as np
import torch
from sylvian.models.batch import make_batch
from sylvian.models.compiled import compile_trunk
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.pretraining import PretrainingModel, PretrainingObjective, ReconstructionConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.types import Trial, TrialInfo, TrialKey

SPEC = SessionSpec(path="toy/J/2015-03-01", participant="toy/J", n_channels=6)
SMALL = TransformerConfig(width=12, depth=2, heads=3, head_width=6, feedforward=20,
                          input_dropout=0, attention_dropout=0, feedforward_dropout=0)

def batch_of(lengths):
    rng = np.random.default_rng(0)
    trials = [
        Trial(TrialInfo(TrialKey("toy", "J", "2015-03-01", 1, at), "train", n_bins),
              rng.standard_normal((n_bins, 6), dtype=np.float32))
        for at, n_bins in enumerate(lengths)
    ]
    return make_batch(trials, session_index={SPEC.path: 0}, vocabulary=None)

plain = PretrainingModel(build_encoder(SMALL, [SPEC]), ReconstructionConfig())
compiled = copy.deepcopy(plain)
compile_trunk(compiled.encoder, backend="aot_eager")
assert plain.state_dict().keys() == compiled.state_dict().keys()
for lengths in ([80, 95, 300], [121, 33], [500, 500, 499, 200], [60]):
    batch, results = batch_of(lengths), []
    for model in (plain, compiled):
        model.zero_grad()
        torch.manual_seed(0)
        hidden = model.fixed_masks(batch, seed=0)
        loss = PretrainingObjective(model).score(batch, model(batch, hidden)).total
        loss.backward()
        results.append([loss, *(own.grad for own in model.encoder.trunk_parameters())])
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
print(torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


def test_compiled_blocks_give_the_same_loss_and_gradients():
    """Numbers of rows differ from batch to batch; the same few graphs must serve them."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 1 <= int(done.stdout) <= 6
