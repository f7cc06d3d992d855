"""What is said where a backbone cannot be had, is not whole, or answers nonsense."""

import importlib.util
import logging
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.utils.logging import get_verbosity
from safetensors.torch import load_file, save_file
from torch import Tensor

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.backbones import fingerprint
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.hub import load_causal, quietly, require_transformers
from sylvian.models.opening import BackboneConfig, check_backbone
from sylvian.recipes import build_recipe
from sylvian.speakers import sentence_task
from tiny.llms import SENTENCES, model, tokenizer
from tiny.speech import batch, build, phoneme_model


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


@pytest.mark.parametrize("absent", ["peft", "transformers"])
def test_a_language_model_to_speak_to_needs_what_adapts_it(absent, monkeypatch, tmp_path):
    model("llama").save_pretrained(tmp_path)
    config = BackboneConfig(name=str(tmp_path))
    check_backbone(config)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda package: None if package == absent else find(package)
    )
    told = rf"{tmp_path}: needs {absent}; run 'pip install"
    with pytest.raises(ConfigError, match=told):
        check_backbone(config)
    recipe = build_recipe("end_to_end", ["corpus=synthetic", f"end_to_end.llm.name={tmp_path}"])
    with pytest.raises(ConfigError, match=told):  # as where a run is resumed
        sentence_task(recipe, phoneme_model())


def test_both_extras_bring_all_that_end_to_end_needs():
    """What `pip install sylvian[offline]` and `[llm]` install, as pyproject.toml says it."""
    told = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    extras = tomllib.loads(told)["project"]["optional-dependencies"]
    assert set(extras["llm"]) <= set(extras["offline"])
    assert set(extras["offline"]) <= set(extras["dev"])
    assert {one.partition(">")[0] for one in extras["llm"]} == {"peft", "transformers"}


def changed(folder: Path, name: str, change: Callable[[dict[str, Tensor]], object]) -> Any:
    """Save a tiny language model with a change to its weights, and open it."""
    model(name).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})
    return load_causal(str(folder), device="cpu")[0]


DOWN = "model.layers.1.mlp.down_proj.weight"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda tensors: tensors.pop(DOWN), f"tensor {DOWN} is missing"),
        (
            lambda tensors: tensors.update({DOWN.replace("down", "dwn"): tensors.pop(DOWN)}),
            f"tensor {DOWN} is missing",
        ),
        (lambda tensors: tensors.update(extra=torch.ones(2)), "tensor extra is unknown"),
        (
            lambda tensors: tensors.update({DOWN: tensors[DOWN][:5].clone()}),
            f"tensor {DOWN} is of another shape",
        ),
    ],
    ids=["missing", "renamed", "unknown", "cut"],
)
def test_weights_that_are_not_whole_are_never_made_up(change, what, tmp_path):
    """The reference loads with strict=False, and a network of random layers (dossier §9.2)."""
    with pytest.raises(CheckpointError, match=f"{tmp_path}: {what}"):
        changed(tmp_path, "llama", change)


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_what_published_files_hold_beside_the_weights_is_no_fault(name, tmp_path):
    """Old files carry rotary frequencies and masks; tied ones have their embedding once."""
    beside = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2),
        "model.layers.0.attn.masked_bias": torch.ones(1),
        "model.layers.0.attn.bias": torch.ones(1, 1, 4, 4),
    }
    opened = changed(tmp_path, name, lambda tensors: tensors.update(beside))
    assert fingerprint(opened) == fingerprint(model(name))
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) == (name == "qwen3")


def test_a_backbone_out_of_reach_is_told_with_the_places_and_a_way_out(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError) as told:
        load_causal("Qwen/none", device="cpu")
    for part in ("Qwen/none: cannot be opened", "looked in", "hub", "folder with config.json"):
        assert part in str(told.value)


def test_tries_at_a_hub_are_not_told_one_by_one():
    before = get_verbosity()
    with quietly():
        assert get_verbosity() == logging.ERROR
    assert get_verbosity() == before < logging.ERROR


@pytest.mark.parametrize("part", ["projector", "llm"])
def test_a_loss_that_is_not_finite_is_not_hidden(part):
    """Training skips, counts and at last stops at such losses (`train/test_fitting.py`)."""
    speech = build()
    with torch.no_grad():
        next(getattr(speech, part).parameters()).fill_(float("nan"))
    found = SpeechLlmObjective(speech, LossWeights())(batch(), SENTENCES)
    assert not torch.isfinite(found.total)
    assert not torch.isfinite(found.parts["cross_entropy"])
