"""The command line: names, flags and printing; the work is in `sylvian.pipeline`.

Exit status: 0 done, 1 bad input (one sentence on standard error), 2 usage. With `--json` the last
line of standard output is one JSON object. Progress goes to standard error.
"""

from __future__ import annotations

import os
import sys

import typer

from sylvian.cli.analyses import analyse
from sylvian.cli.audio import audio_llm
from sylvian.cli.auditing import errors
from sylvian.cli.claims import claim
from sylvian.cli.confiding import abstain, calibrate
from sylvian.cli.decoding import decode, lm_build, report, rescore, score, tune
from sylvian.cli.figures import figure
from sylvian.cli.gating import learn, run_gate
from sylvian.cli.llm import llm
from sylvian.cli.merging import merge
from sylvian.cli.recordings import check, fetch, prepare, show
from sylvian.cli.studies import demo, probe, study, sweep
from sylvian.cli.submissions import card, grade, submit
from sylvian.cli.training import pretrain, train
from sylvian.errors import SylvianError

__all__ = ["main"]

app = typer.Typer(
    name="sylvian",
    help="From intracortical recordings of speech to sentences, with honest error rates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _verb in (
    *(demo, fetch, prepare, check, show),
    *(pretrain, train, sweep, probe, study),
    *(decode, llm, audio_llm, rescore, tune, score, merge, report),
    *(errors, analyse, figure, claim, submit, grade, card),
    *(calibrate, abstain),
):
    app.command()(_verb)
lm_app = typer.Typer(help="Language models for the first pass.", no_args_is_help=True)
lm_app.command("build")(lm_build)
app.add_typer(lm_app, name="lm")
gate_app = typer.Typer(help="A keyword that unlocks decoding.", no_args_is_help=True)
gate_app.command("learn")(learn)
gate_app.command("run")(run_gate)
app.add_typer(gate_app, name="gate")


def main() -> None:
    """Run the command line and turn errors a user can mend into one sentence.

    With `SYLVIAN_DEBUG=1` or `--debug` anywhere the traceback is kept.
    """
    # Threads that spin while they wait for each other slow a shared machine down tenfold and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    debug = "--debug" in sys.argv or os.environ.get("SYLVIAN_DEBUG") == "1"
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except SylvianError as failure:
        if debug:
            raise
        typer.echo(f"sylvian: {failure}", err=True)
        sys.exit(1)


@app.callback()
def root() -> None:
    """From intracortical recordings of speech to sentences, with honest error rates.

    Add --debug anywhere to see a traceback instead of one sentence.
    """
