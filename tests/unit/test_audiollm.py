import json
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sylvian.audiollm import make_audio_llm
from sylvian.cli import app
from sylvian.errors import CheckpointError, ConfigError, DataError
from sylvian.models.opening import BackboneConfig, open_backbone
from tiny.llms import model, tokenizer
from tiny.whisper import WIDTH, as_ctranslate2, encoder, write_ctranslate2

WORDS = ("water", "glass", "think", "about", "yes", "see", "code", "point", "well", "like")
SMALL = (
    *("sentences=20", "held_out=4", "read=2", "steps=2", "word_epochs=1", "batch=4"),
    *("assembly.frames=1", "assembly.hidden=16", "voice=flite"),
)
SPEAKER = """#!{python} -SI
import math, struct, sys, wave
with open({said!r}, "a") as file:
    file.write(sys.argv[4] + "\\n")
with wave.open(sys.argv[6], "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    for letter in sys.argv[4]:
        tone = [int(9000 * math.sin(place * ord(letter) / 300)) for place in range(300)]
        file.writeframesraw(struct.pack("<300h", *tone))
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Whisper, a language model, text, and a program that speaks, all tiny and all on disk."""
    write_ctranslate2(tmp_path / "whisper/model.bin", as_ctranslate2(encoder(seed=1)))
    model("llama", seed=2).save_pretrained(tmp_path / "llm")
    tokenizer(tags=()).save_pretrained(tmp_path / "llm")
    lines = [f"{a.title()} {b} {c}." for a in WORDS for b in WORDS for c in WORDS[:2] if a != b]
    (tmp_path / "text.txt").write_text("\n".join([*lines, "no", "3 times 4", "Water glass water!"]))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/flite"
    said = tmp_path / "said.txt"
    program.write_text(SPEAKER.format(python=sys.executable, said=str(said)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def call(folder: Path, *overrides: str, **other: object):
    given = {"whisper": folder / "whisper", "llm": str(folder / "llm")} | other
    return make_audio_llm(
        given["whisper"],
        given["llm"],
        [folder / "text.txt"],
        out=folder / "audio",
        overrides=[*SMALL, *overrides],
    )


def test_the_verb_leaves_an_audio_llm_and_a_second_call_says_nothing_again(made):
    stages = set()

    def told(stage: str, done: int, total: int, note: str = "") -> None:
        assert 0 < done <= total
        stages.add(stage)

    result = make_audio_llm(
        made / "whisper",
        str(made / "llm"),
        [made / "text.txt"],
        out=made / "audio",
        overrides=SMALL,
        progress=told,
    )
    assert stages == {"hearing", "words", "sentences"}
    assert (result.n_learned, result.n_held_out, result.n_read, result.steps) == (16, 4, 2, 2)
    assert [row.sound for row in result.rows] == ["own", "another sentence's", "none"]
    assert all(0 < row.low <= row.nats <= row.high for row in result.rows)
    assert len(result.examples) == 2
    shown = StringIO()
    Console(file=shown, width=150).print(result.table())
    assert "another sentence's" in shown.getvalue()
    assert "Free-running WER of 2" in shown.getvalue()
    backbone, words = open_backbone(BackboneConfig(name=str(made / "audio")))
    assert backbone.audio_width == WIDTH
    assert "<|audio_bos|>" in words.get_vocab()
    described = json.loads((made / "audio/audio_llm.json").read_text())
    assert described["result"]["wer"] == result.wer
    assert described["settings"]["sentences"] == 20
    said = (made / "said.txt").read_text().splitlines()
    assert len(said) == len(set(said)) == 20
    assert all(3 <= len(sentence.split()) <= 8 for sentence in said)
    again = call(made)
    assert (made / "said.txt").read_text().splitlines() == said
    assert (again.rows, again.wer, again.first) == (result.rows, result.wer, result.first)
    call(made, "seed=1")  # other sentences: only new ones are said
    later = (made / "said.txt").read_text().splitlines()
    assert len(said) < len(later) == len(set(later))


def test_the_command_prints_what_it_measured(made):
    options = [f"--set={one}" for one in SMALL]
    asked = ["audio-llm", "--whisper", str(made / "whisper"), "--llm", str(made / "llm")]
    asked += ["--text", str(made / "text.txt"), "--out", str(made / "audio"), *options]
    done = CliRunner().invoke(app, [*asked, "--sentences", "22", "--minutes", "5", "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout.splitlines()[-1])
    assert printed["n_learned"] == 18 and printed["voice"] == "flite/slt"


@pytest.mark.parametrize("override", ["held_out=15", "read=5", "sentences=19", "sound=loud"])
def test_settings_that_do_not_fit_are_refused(override, made):
    with pytest.raises(ConfigError, match=override.split("=")[0]):
        call(made, override)
    assert not (made / "said.txt").exists()


def test_bad_input_is_named(made):
    with pytest.raises(CheckpointError, match="no Whisper model there"):
        call(made, whisper=made)
    with pytest.raises(ConfigError, match="no such folder"):
        call(made, llm="nowhere to be found")
    with pytest.raises(DataError, match="180 different sentences of 3 to 8 words, 500 are wanted"):
        call(made, "sentences=500")
    with pytest.raises(DataError, match="no other sentence has room.*assembly.frames"):
        call(made, "assembly.frames=9")
    (made / "text.txt").write_bytes(b"\xff\xff")
    with pytest.raises(DataError, match=r"text\.txt: cannot be read as UTF-8"):
        call(made)
    (made / "text.txt").unlink()
    with pytest.raises(DataError, match=r"text\.txt: cannot be read"):
        call(made)


def test_no_synthesiser_says_what_to_install(made):
    (made / "bin/flite").unlink()
    with pytest.raises(ConfigError, match=r"no flite is installed.*apt-get install flite"):
        call(made)


def test_a_folder_of_something_else_is_left_alone(made):
    (made / "audio").mkdir()
    (made / "audio/thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="did not write"):
        call(made)
    assert (made / "audio/thesis.tex").read_text() == "years of work"


def test_what_was_heard_and_is_damaged_is_named(made):
    (made / "audio.heard").mkdir()
    (made / "audio.heard/0.safetensors").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match=r"0\.safetensors: damaged .*delete it"):
        call(made)
