import hashlib
import json
import shutil
from collections import Counter

import numpy as np
import pytest

from sylvian.config import override
from sylvian.data import PreparedCorpus, check, prepare
from sylvian.data.corpora import Synthetic
from sylvian.data.synthetic import ParticipantConfig, SyntheticConfig, simulate
from sylvian.data.synthetic.participant import participants
from sylvian.data.synthetic.schedule import CUES
from sylvian.errors import ConfigError, DataError
from sylvian.text import is_cue


def content(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def infos_of(raw):
    corpus = Synthetic(raw)
    return [trial.info for session in corpus.sessions() for trial in corpus.trials(session)]


def test_equal_configs_give_equal_bytes_and_other_seeds_do_not(small, raw, tmp_path):
    simulate(small, tmp_path / "again")
    assert content(tmp_path / "again") == content(raw)
    simulate(override(small, ["seed=6"]), tmp_path / "other")
    other = content(tmp_path / "other")
    assert other.keys() == content(raw).keys()
    assert sum(other[name] == digest for name, digest in content(raw).items()) <= 1  # the csv


def test_what_comes_later_does_not_change_what_was_before(small, raw, tmp_path):
    first = small.participants[0].model_copy(update={"sessions": 1})
    simulate(SyntheticConfig(seed=small.seed, participants=(first,)), tmp_path / "raw")
    whole = content(raw)
    short = content(tmp_path / "raw")
    days = [name for name in short if name.endswith(".hdf5")]
    assert days and all(short[name] == whole[name] for name in days)


def test_the_loaders_give_back_every_planned_trial(small, raw):
    planned = sorted(
        (config.name, day.planned.session, block.number, trial.split, trial.sentence)
        for config, days in participants(small)
        for day in days
        for block in day.planned.blocks
        for trial in block.trials
    )
    unlabelled = {("S15", "test"), ("S12", "holdout")}
    found = [
        (i.key.participant, i.key.session, i.key.block, i.split, i.sentence) for i in infos_of(raw)
    ]
    withheld = [(*key[:4], None) if (key[0], key[3]) in unlabelled else key for key in planned]
    assert sorted(found, key=str) == sorted(withheld, key=str)
    assert Counter(key[::3] for key in found) == {
        ("S15", "train"): 14,  # six sentences and a cue a day
        ("S15", "val"): 4,  # the first day has neither val nor test
        ("S15", "test"): 2,
        ("S12", "train"): 14,
        ("S12", "test"): 8,
        ("S12", "holdout"): 2,
    }


def test_prompt_sets_of_both_layouts_are_known(raw):
    infos = infos_of(raw)
    for name in ("S12", "S15"):
        sets = {info.prompt_set for info in infos if info.key.participant == name}
        assert sets == {"50-Word", "Large", "Cues"}
    assert all((i.prompt_set == "Cues") == is_cue(i.sentence) for i in infos if i.sentence)


def test_labels_close_every_word_with_sil(raw):
    for info in infos_of(raw):
        if info.phonemes and not is_cue(info.sentence):
            assert info.phonemes.count("SIL") == info.sentence.count(" ") + 1
            assert info.phonemes[-1] == "SIL" and info.phonemes[0] != "SIL"


def test_cues_keep_their_text_and_nothing_is_said(small):
    for config, days in participants(small):
        block = next(b for b in next(iter(days)).blocks() if b.planned.prompt_set == "Cues")
        for trial in block.trials:
            assert trial.planned.sentence in CUES
            assert trial.labels and not trial.utterance.posture.any(), config.name


def test_it_prepares_without_a_complaint_and_splits_by_both_rules(raw, tmp_path):
    report = prepare(Synthetic(raw), tmp_path)
    assert report.warnings == () and report.n_sessions == 4
    assert check("synthetic", tmp_path).problems == ()
    prepared = PreparedCorpus.open(tmp_path, "synthetic")
    assert prepared.channels == {"S12": 256, "S15": 512}
    splits = {rule: prepared.splits(rule) for rule in ("benchmark", "bit")}
    assert {name: len(infos) for name, infos in splits["benchmark"].items()} == {
        "train": 28,
        "val": 12,
        "test": 4,
    }
    assert all(info.sentence for info in splits["bit"]["test"])


def test_baselines_drift_from_day_to_day_and_from_block_to_block(small):
    (config, days), *_ = participants(small)
    day = next(iter(days))
    offsets = [block.offset for block in day.blocks()]
    steps = np.diff(offsets, axis=0)
    assert steps.std() == pytest.approx(config.neural.block_baseline, rel=0.2)
    assert offsets[0].std() == pytest.approx(
        np.hypot(config.neural.session_baseline, config.neural.block_baseline), rel=0.2
    )


def test_repeating_a_finished_simulation_changes_nothing(small, raw):
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    simulate(small, raw)
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == before


def test_an_interrupted_simulation_is_written_again(small, raw, tmp_path):
    folder = tmp_path / "raw"
    shutil.copytree(raw, folder)
    (folder / "synthetic.json").unlink()
    damaged = next(iter(sorted(folder.rglob("*.mat"))))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    simulate(small, folder)
    assert content(folder) == content(raw)


def test_another_simulation_in_the_folder_is_refused(small, raw):
    before = content(raw)
    with pytest.raises(DataError, match="synthetic.json: another simulation"):
        simulate(override(small, ["seed=9"]), raw)
    assert content(raw) == before


def test_days_of_another_simulation_are_refused(small, raw, tmp_path):
    folder = tmp_path / "raw"
    shutil.copytree(raw, folder)
    (folder / "synthetic.json").unlink()
    stranger = folder / "S12/competitionData/train/s12.2030.01.01.mat"
    shutil.copy(next(folder.rglob("*.mat")), stranger)
    with pytest.raises(DataError, match="s12.2030.01.01.mat: not of this simulation"):
        simulate(small, folder)


def test_a_folder_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(DataError, match="raw/S15.*cannot be written"):
        simulate(small, tmp_path / "raw")


def test_without_a_simulation_the_reader_says_how_to_make_one(tmp_path):
    with pytest.raises(
        DataError, match=r"synthetic\.json: no such file.*sylvian prepare synthetic"
    ):
        Synthetic(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 9}'])
def test_a_damaged_manifest_is_named(tmp_path, text):
    (tmp_path / "synthetic.json").write_text(text)
    with pytest.raises(DataError, match=r"synthetic\.json: (damaged|format 9).*simulate again"):
        Synthetic(tmp_path)


def test_progress_counts_the_sessions(small, tmp_path):
    told = []
    one = small.model_copy(update={"participants": small.participants[:1]})
    simulate(one, tmp_path / "raw", progress=lambda *call: told.append(call))
    assert told == [("S15/2031-01-06", 1, 2), ("S15/2031-01-09", 2, 2)]


def test_the_manifest_holds_the_whole_config(small, raw):
    manifest = json.loads((raw / "synthetic.json").read_text())
    assert SyntheticConfig.model_validate_json(json.dumps(manifest["config"])) == small


def test_two_participants_of_one_name_are_refused(small):
    twice = (small.participants[0], small.participants[0])
    with pytest.raises(ValueError, match="different names"):
        SyntheticConfig(participants=twice)


def test_unknown_keys_are_refused(small):
    with pytest.raises(ConfigError, match="loudness"):
        override(small, ["loudness=3"])


@pytest.mark.parametrize("preset", [SyntheticConfig.demo(), SyntheticConfig.quick()])
def test_presets_have_both_prompt_sets_and_enough_held_out_sentences(preset):
    speakers = [one for one in preset.participants if isinstance(one, ParticipantConfig)]
    assert speakers
    for participant in speakers:
        assert 0 < participant.fifty_share < 1
        assert participant.eval_trials * (participant.sessions - 1) >= 30
