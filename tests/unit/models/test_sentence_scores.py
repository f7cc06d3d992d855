"""Language models that attend in windows, count their places or make their own masks."""

import pytest
import torch

from sylvian.errors import ConfigError, DataError, DecodeError
from sylvian.models.backbones import backbone_of
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.generation import generate, score_sentences
from sylvian.models.sentence_search import BeamConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from tiny.llms import SENTENCES, text_settings, tokenizer
from tiny.speech import batch, phoneme_model, settings

WINDOW = 100  # holds the prompt and a few words
FEW = {"vocab_size": 320, "hidden_size": 16}


def speaker(name: str, **changes: object) -> SpeechLlm:
    """Speak to a random tiny instance of any class of transformers."""
    import transformers

    base = {"Gemma3": "Gemma3Text"}.get(name, name)
    kind = getattr(transformers, f"{name}{'LMHeadModel' if name == 'GPT2' else 'ForCausalLM'}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(getattr(transformers, f"{base}Config")(**changes)).eval()
        for weight in model.parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=0.4)
    config = settings(lora=None)
    return build_speech_llm(phoneme_model(), backbone_of(model), tokenizer(), config, seed=3).eval()


def sliding(name: str) -> SpeechLlm:
    more = {"use_sliding_window": True, "max_window_layers": 0} if name == "Qwen2" else {}
    return speaker(name, **text_settings(), sliding_window=WINDOW, **more)


def forced(speech: SpeechLlm, sentences: tuple[str, ...]) -> list[float]:
    """Score by teacher forcing, without trees and caches."""
    tokens = [speech.prompt.encode(own, capped=False) for own in sentences]
    with torch.no_grad():
        neural = speech.listen(batch((61,))).only(0, 1)
        rows = [speech.target_logits(speech.lessons(neural, [own])) for own in tokens]
    return [float(logits.log_softmax(-1).gather(1, t[:, None]).sum()) for logits, t in rows]


def scored(speech: SpeechLlm, sentences: tuple[str, ...]) -> list[float | None]:
    return score_sentences(speech, batch((61,)), [sentences])[0]


@pytest.mark.parametrize("name", ["Mistral", "Qwen2", "Gemma3"])
def test_a_window_narrower_than_the_sentences_is_kept(name):
    speech = sliding(name)
    n_prompt = speech.prompts(speech.listen(batch((61,)))).embeds.shape[1]
    assert n_prompt < speech.llm.window == WINDOW < n_prompt + 30
    long = (*SENTENCES[:2], f"{SENTENCES[-1]} {SENTENCES[-1]}")
    assert scored(speech, long) == pytest.approx(forced(speech, long), abs=1e-3)


def test_only_what_a_window_cuts_is_read_one_by_one(monkeypatch):
    speech = sliding("Mistral")
    scored(speech, ("yes",))
    assert speech.llm.reads_trees
    calls = []
    read_on = speech.llm.read_on
    monkeypatch.setattr(speech.llm, "read_on", lambda *a: calls.append(a[1].ndim) or read_on(*a))
    scored(speech, ("yes", "yes yes"))
    assert calls == [2, 4]  # the prompt, and both sentences behind it
    calls.clear()
    scored(speech, ("yes", f"{SENTENCES[-1]} {SENTENCES[-1]}"))
    assert calls == [2, 2, 2]


def test_an_architecture_with_a_mask_of_its_own_is_read_one_by_one():
    speech = speaker("Bloom", **FEW, n_layer=2, n_head=2)
    found = scored(speech, SENTENCES)
    assert speech.llm.reads_trees is False
    assert found == pytest.approx(forced(speech, SENTENCES), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Mamba", FEW | {"num_hidden_layers": 2, "state_size": 4}),
        ("Lfm2", text_settings() | {"layer_types": ["conv", "full_attention"]}),
    ],
)
def test_recurrent_layers_are_refused_when_opened(name, changes):
    with pytest.raises(ConfigError, match=f"{name}ForCausalLM has recurrent layers.*such as Qwen"):
        speaker(name, **changes)


def test_what_cannot_be_read_behind_a_prompt_is_refused_by_trial(monkeypatch):
    speech = sliding("Mistral")

    def failing(*_):
        raise IndexError("list index out of range")

    monkeypatch.setattr(speech.llm, "read_on", failing)
    said = "t000: MistralForCausalLM cannot read on behind a prompt.*list index.*use another"
    with pytest.raises(DecodeError, match=said):
        scored(speech, ("yes",))


def test_learned_places_end_and_what_is_behind_them_has_no_score():
    speech = speaker("GPT2", **FEW, n_layer=2, n_head=2, n_positions=120, bos_token_id=None)
    assert speech.llm.most_places == 120
    n_prompt = speech.prompts(speech.listen(batch((61,)))).embeds.shape[1]
    room = 120 - n_prompt
    fits = "a " * (room // 2)
    n_fits = len(speech.prompt.encode(fits, capped=False))
    given = ("yes", fits, "a " * 80)
    assert n_fits <= room < len(speech.prompt.encode(given[-1], capped=False))
    *found, beyond = scored(speech, given)
    assert found == pytest.approx(forced(speech, given[:2]), abs=1e-2)
    assert beyond is None
    alone = SpeechLlmObjective(speech, LossWeights(contrastive=0.0))
    alone(batch((61,)), (fits[:-2],))
    with pytest.raises(DataError, match=r"t000: \d+ tokens of prompt, recording .* has 120 places"):
        alone(batch((61,)), ("a " * 80,))
    assert scored(speech, ("a " * 80,)) == [None]
    exactly = BeamConfig(tokens_per_s=0, least_tokens=room + 1)
    assert generate(speech, batch((61,)), exactly)[0].candidates
    more = BeamConfig(tokens_per_s=0, least_tokens=room + 2)
    with pytest.raises(DecodeError, match=rf"t000: {n_prompt} tokens .* GPT2LMHeadModel has 120"):
        generate(speech, batch((61,)), more)


def test_places_that_are_computed_have_no_end():
    assert sliding("Mistral").llm.most_places is None
