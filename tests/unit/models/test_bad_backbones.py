"""What is said where a backbone cannot be had, or answers nonsense."""

import importlib.util

import pytest
import torch

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.hub import load_causal, require_transformers
from tiny.llms import SENTENCES
from tiny.speech import batch, build


@pytest.mark.parametrize(
    ("name", "absent"),
    [("facebook/opt-6.7b", "transformers"), ("smollm2", "gguf"), ("some.gguf", "accelerate")],
)
def test_a_missing_package_is_named_with_its_command(name, absent, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda package: None if package == absent else find(package)
    )
    said = rf'{name}: needs {absent}; run \'pip install "sylvian\[offline\]"\''
    with pytest.raises(ConfigError, match=said):
        require_transformers(name)


def test_a_backbone_out_of_reach_is_told_with_the_places_and_a_way_out(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError) as told:
        load_causal("Qwen/none", device="cpu")
    for part in ("Qwen/none: cannot be opened", "looked in", "hub", "folder with config.json"):
        assert part in str(told.value)


@pytest.mark.parametrize("part", ["projector", "llm"])
def test_a_loss_that_is_not_finite_is_not_hidden(part):
    """Training skips, counts and at last stops at such losses (`train/test_fitting.py`)."""
    speech = build()
    with torch.no_grad():
        next(getattr(speech, part).parameters()).fill_(float("nan"))
    found = SpeechLlmObjective(speech, LossWeights())(batch(), SENTENCES)
    assert not torch.isfinite(found.total)
    assert not torch.isfinite(found.parts["cross_entropy"])
