import pytest
import torch

from sylvian.errors import DataError, DecodeError
from sylvian.models import sentence_scores
from sylvian.models.generation import Candidate, Generated, generate, score_sentences
from sylvian.models.sentence_search import BeamConfig, GreedyConfig, NucleusConfig
from sylvian.models.speechllm import SpeechLlm
from sylvian.types import TrialKey
from tiny.llms import LLMS, SENTENCES
from tiny.speech import N_BINS, batch, build

ROOM = {"tokens_per_s": 8.0, "least_tokens": 3, "most_tokens": 10}
CONFIGS = {
    "greedy": GreedyConfig(**ROOM),
    "beam": BeamConfig(**ROOM, beams=4, n_best=3),
    "beam-long": BeamConfig(**ROOM, beams=3, n_best=2, length_power=1.0),
    "nucleus": NucleusConfig(**ROOM, samples=3, seed=1),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
CASES = [(name, "neural") for name in LLMS] + [("qwen2_audio", "audio")]
KEY = TrialKey("toy", "T15", "2023-08-11", 1, 0)


@pytest.fixture(scope="module")
def speech() -> SpeechLlm:
    return build("llama")


@torch.no_grad()
def always(speech: SpeechLlm, token: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a language model say one token again and again."""
    predict = speech.llm.predict

    def biased(hidden: torch.Tensor) -> torch.Tensor:
        logits = predict(hidden)
        logits[..., token] += 1000
        return logits

    monkeypatch.setattr(speech.llm, "predict", biased)


@every_config
def test_a_trial_never_depends_on_its_batch_mates(speech, config):
    together = generate(speech, batch(), config)
    assert [own.key for own in together] == list(batch().keys)
    for row, n_bins in enumerate(N_BINS):
        alone = generate(speech, batch((n_bins,), first=row), config)[0]
        assert alone.key == together[row].key
        for ours, theirs in zip(alone.candidates, together[row].candidates, strict=True):
            assert (ours.tokens, ours.finished) == (theirs.tokens, theirs.finished)
            assert ours.nats == pytest.approx(theirs.nats, abs=1e-4)


@every_config
def test_log_probabilities_are_those_of_teacher_forcing(speech, config):
    """Each candidate's number is the sum of its tokens' log-probabilities, and its end's."""
    for row, own in enumerate(generate(speech, batch(), config)):
        neural = speech.listen(batch()).only(row, 1)
        for candidate in own.candidates:
            with torch.no_grad():
                logits, targets = speech.target_logits(speech.lessons(neural, [candidate.tokens]))
            nats = logits.log_softmax(-1)[torch.arange(len(targets)), targets]
            said = nats if candidate.finished else nats[:-1]
            assert candidate.nats == pytest.approx(float(said.sum()), abs=1e-3)


@every_config
def test_the_cap_grows_with_the_recording_and_bounds_every_candidate(speech, config):
    caps = [config.cap(n_bins * 0.02) for n_bins in N_BINS]
    assert caps == [10, 5, 10, 4, 9]  # 3 + 8 per second, at most 10
    for cap, own in zip(caps, generate(speech, batch(), config), strict=True):
        assert own.candidates
        for candidate in own.candidates:
            assert len(candidate.tokens) + candidate.finished <= cap
            assert candidate.finished or len(candidate.tokens) == cap


@every_config
def test_candidates_are_different_and_best_first(speech, config):
    for own in generate(speech, batch(), config):
        tokens = [(c.tokens, c.finished) for c in own.candidates]
        assert len(set(tokens)) == len(tokens)
        power = getattr(config, "length_power", 0.0)
        ranks = [
            (not c.finished, -c.nats / (len(c.tokens) + c.finished) ** power)
            for c in own.candidates
        ]
        assert ranks == sorted(ranks)


@every_config
def test_an_empty_generation_is_kept_as_an_empty_hypothesis(speech, config, monkeypatch):
    always(speech, speech.prompt.end, monkeypatch)
    for own in generate(speech, batch(), config):
        best = own.candidates[0]
        assert (best.text, best.tokens, best.finished) == ("", (), True)
        assert best.nats == pytest.approx(0.0, abs=1e-6)
        assert own.nbest().best.text == ""
        assert own.nbest().best.scores.n_words == 0


@every_config
def test_endless_talk_is_cut_at_the_cap(speech, config, monkeypatch):
    always(speech, speech.prompt.encode("yes")[0], monkeypatch)
    for own, n_bins in zip(generate(speech, batch(), config), N_BINS, strict=True):
        longest = max(own.candidates, key=lambda c: len(c.tokens))
        assert len(longest.tokens) == config.cap(n_bins * 0.02)
        assert not longest.finished


@every_config
def test_generation_neither_draws_from_torch_nor_changes_the_mode(speech, config):
    speech.train()
    before = torch.get_rng_state()
    first, second = generate(speech, batch(), config), generate(speech, batch(), config)
    assert first == second  # dropout is off
    assert speech.training and torch.equal(torch.get_rng_state(), before)
    speech.eval()


def test_a_wider_beam_is_never_worse_than_greedy_here(speech):
    greedy = generate(speech, batch(), GreedyConfig(most_tokens=4))
    beam = generate(speech, batch(), BeamConfig(most_tokens=4, beams=30, n_best=1))
    for ours, theirs in zip(beam, greedy, strict=True):
        if theirs.candidates[0].finished:
            assert ours.candidates[0].nats >= theirs.candidates[0].nats - 1e-5


def test_the_seed_decides_what_is_drawn(speech):
    draws = [
        generate(speech, batch(), NucleusConfig(**ROOM, temperature=2.0, seed=s)) for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_tiny_nucleus_is_greedy(speech):
    tiny = NucleusConfig(**ROOM, p=1e-9)
    for ours, theirs in zip(
        generate(speech, batch(), tiny), generate(speech, batch(), CONFIGS["greedy"]), strict=True
    ):
        assert ours.candidates[0].tokens == theirs.candidates[0].tokens


def test_given_sentences_are_scored_like_generated_ones(speech):
    given = [[SENTENCES[0], ""], [SENTENCES[1]], [], [SENTENCES[3]], list(SENTENCES)]
    found = score_sentences(speech, batch(), given)
    assert [len(own) for own in found] == [2, 1, 0, 1, 5]
    with torch.no_grad():
        logits, targets = speech(batch(), SENTENCES)
    nats = logits.log_softmax(-1)[torch.arange(len(targets)), targets]
    sizes = [len(own) + 1 for own in speech.encode(batch(), SENTENCES)]
    truth = [float(own.sum()) for own in nats.split(sizes)]
    assert [found[0][0], found[1][0], found[3][0], found[4][4]] == pytest.approx(
        [truth[0], truth[1], truth[3], truth[4]], abs=1e-3
    )


def test_an_empty_sentence_is_scored_as_its_end(speech):
    prompts = speech.prompts(speech.listen(batch()))
    with torch.no_grad():
        nats = speech.llm.predict(speech.llm.read(prompts)[:, -1]).log_softmax(-1)
    found = [own[0] for own in score_sentences(speech, batch(), [[""]] * len(N_BINS))]
    assert found == pytest.approx(nats[:, speech.prompt.end].tolist(), abs=1e-3)


def test_candidates_that_normalise_alike_become_one_hypothesis():
    own = Generated(
        KEY,
        (
            Candidate("Yes.", (1,), -1.0, True),
            Candidate("yes", (2,), -2.0, True),
            Candidate("No", (3,), -3.0, True),
        ),
    )
    best, second = own.nbest().hypotheses
    assert (best.text, best.scores.end_to_end, best.scores.n_words) == ("yes", -1.0, 1)
    assert best.scores.llm is None
    assert second.text == "no"


def test_damaged_weights_are_an_error(speech, monkeypatch):
    always(speech, 0, monkeypatch)
    monkeypatch.setattr(speech.llm, "predict", lambda hidden: hidden * float("nan"))
    with pytest.raises(DecodeError, match="NaN"):
        generate(speech, batch(), CONFIGS["greedy"])


def test_a_candidate_longer_than_training_allows_is_scored_all_the_same(speech):
    long = "yes " * 200
    with pytest.raises(DataError, match="at most 128"):
        speech.encode(batch((9,)), [long])
    tokens = [speech.prompt.encode(long, capped=False)]
    with torch.no_grad():
        logits, targets = speech.target_logits(speech.lessons(speech.listen(batch((9,))), tokens))
    truth = logits.log_softmax(-1).double()[torch.arange(len(targets)), targets].sum()
    (found,) = score_sentences(speech, batch((9,)), [[long]])
    assert len(targets) > 200 and found == pytest.approx([float(truth)], abs=1e-2)


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_scores_are_those_of_teacher_forcing(name, modality, monkeypatch):
    """Whatever sentences share, and however many trees they fill; padding never enters."""
    speech = build(name, modality)
    given = [f"{own}{tail}" for own in SENTENCES for tail in ("", " a glass")]
    given = [*given, "", given[3], "you can see the code at this place"]
    tokens = [speech.prompt.encode(own) if own else () for own in given]
    neural = speech.listen(batch())
    for row in (1, 4):  # shorter than what they are batched with
        with torch.no_grad():
            one = neural.only(row, len(given))
            logits, targets = speech.target_logits(speech.lessons(one, tokens))
        nats = logits.log_softmax(-1).double()[torch.arange(len(targets)), targets]
        truth = [float(own.sum()) for own in nats.split([len(own) + 1 for own in tokens])]
        candidates = [given if number == row else [] for number in range(len(N_BINS))]
        for most in (512, 40):
            monkeypatch.setattr(sentence_scores, "MAX_NODES", most)
            found = score_sentences(speech, batch(), candidates)
            assert found[row] == pytest.approx(truth, abs=1e-4)
            assert found[row - 1] == []


def test_each_place_is_read_and_predicted_behind_once(speech, monkeypatch):
    """The prompt once a trial; of the sentences no last token, and no shared beginning twice."""
    read, predicted = [], []
    read_on, predict = speech.llm.read_on, speech.llm.predict

    def reading(embeds, *rest):
        read.append(embeds.shape[:2])
        return read_on(embeds, *rest)

    def predicting(hidden):
        predicted.append(len(hidden))
        return predict(hidden)

    monkeypatch.setattr(speech.llm, "read_on", reading)
    monkeypatch.setattr(speech.llm, "predict", predicting)
    given = ["yes", "yes yes", "yes yes yes"]
    longest = len(speech.prompt.encode(given[-1]))
    speech.llm.reads_trees = True  # as was tried when it scored for the first time
    score_sentences(speech, batch((40,)), [given])
    n_prompt = speech.prompts(speech.listen(batch((40,)))).embeds.shape[1]
    assert read == [(1, n_prompt), (1, longest)]
    assert predicted == [1, longest]


def test_damaged_weights_are_an_error_for_scores_too(speech, monkeypatch):
    monkeypatch.setattr(speech.llm, "predict", lambda hidden: hidden * float("nan"))
    with pytest.raises(DecodeError, match="NaN"):
        score_sentences(speech, batch((9,)), [["yes"]])
