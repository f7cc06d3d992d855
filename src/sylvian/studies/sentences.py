"""The paper's comparisons of word error rates: systems, and parts of the end-to-end one."""

from __future__ import annotations

from sylvian.studies.lines import Line, Role, Study, System

_SPEECH = "end_to_end.speech"
_MLP = f"{_SPEECH}.projector.kind=mlp"
PROJECTORS = ("mlp", "linear", "stacking", "cross_attention", "phonemes")
SHORT_PROMPT = "# sentence:"
SYSTEMS: dict[str, System] = {
    "cascade": "cascade",
    "cascade + LM": "rescored",
    "end-to-end": "alone",
    "end-to-end + ctc": "ctc",
    "end-to-end + cascade": "joint",
}


def _line(label: str, *overrides: str, role: Role = "llm") -> Line:
    return Line(label, "end_to_end", overrides, system="alone", role=role)


def _systems(recipe: str) -> tuple[Line, ...]:
    start = (f"start.recipe={recipe}",)
    return tuple(
        Line(label, "end_to_end", start, system=system, group=recipe)
        for label, system in SYSTEMS.items()
    )


SENTENCES = {
    "figure3": Study(
        "Figure 3: parts of the end-to-end system",
        (
            _line("base"),
            _line("no contrastive", "end_to_end.losses.contrastive=0", f"{_SPEECH}.alignment=null"),
            _line("no LoRA", f"{_SPEECH}.lora=null"),
            _line("no CTC", "end_to_end.losses.ctc=0"),
            _line("frozen encoder", f"{_SPEECH}.encoder=frozen"),
            _line("short prompt", f"{_SPEECH}.prompt.text={SHORT_PROMPT}"),
            *(
                _line(f"projector {kind.replace('_', '-')}", f"{_SPEECH}.projector.kind={kind}")
                for kind in PROJECTORS
            ),
            _line("larger LM", role="larger"),
            # Phonemes are not every model's language, and a sound's place takes sounds: mlp.
            _line("other LM, mlp", _MLP, role="other"),
            _line("audio-LLM, neural", _MLP, f"{_SPEECH}.modality=neural", role="audio"),
            _line("audio-LLM, audio", _MLP, f"{_SPEECH}.modality=audio", role="audio"),
        ),
        against="base",
        unit="wer",
    ),
    "systems": Study(
        "Figure 2: cascade, end to end, and both from one encoder",
        (*_systems("tfs"), *_systems("all")),
        against="cascade",
        unit="wer",
    ),
}
