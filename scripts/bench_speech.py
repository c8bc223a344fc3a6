"""Speech beside transformers' SpeechT5, both with the same random weights, in turns in one run.

The released sizes (12 + 6 blocks, width 768) in float32; every answer has a fixed number of steps, for no weights that
were never taught know when to stop. Sources of a batch are ragged. A frame is 16 ms of sound. Each row says how many
frames (`asr`: frames heard) either side deals with in a second, how long ours takes for a second of sound (the
real-time factor), how far apart the answers are, and what was counted of one call: floating-point operations of matrix
products and convolutions, and calls of torch's operators (none of either is seen of compiled steps). `vocoder` is
HiFi-GAN alone; `fast` is ours with joined and reordered weights, its steps compiled, which takes minutes before the
first answer.

Writes runs/bench_speech.json, from which `scripts/benchmarks.py` makes docs/benchmarks.md. `--quick` shows that it
runs, with tiny models; its figures mean nothing.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    PreTrainedModel,
    SpeechT5Config,
    SpeechT5ForSpeechToSpeech,
    SpeechT5ForSpeechToText,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from unimodal.config import UnimodalConfig
from unimodal.conversions.families import conversion_of
from unimodal.loading.vocoding import UnimodalVocoder
from unimodal.measuring.machine import describe_run
from unimodal.measuring.measure import timed_ratio
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.rewrites import rewrite

RATE, HOP = 16_000, 256
"""Of SpeechT5's checkpoints: samples a second, samples a frame."""
LETTERS = 81
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 24,
    "conv_dim": [8] * 7,
    "num_conv_pos_embedding_groups": 4,
    "speech_decoder_prenet_units": 12,
    "speech_decoder_postnet_units": 12,
}
SEED = 7
"""Of the dropout that acts in inference: both sides draw the same numbers."""


@final
@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is asked: how many rows of a task."""

    task: str
    rows: int
    fast: bool = False
    """Whether ours runs rewritten, its steps compiled."""

    @property
    def name(self) -> str:
        return f"{self.task}, batch {self.rows}{', fast' if self.fast else ''}"


SETTINGS = (
    *(Setting(task=task, rows=rows) for task in ("asr", "tts", "vc", "vocoder") for rows in (1, 8)),
    *(Setting(task=task, rows=8, fast=True) for task in ("tts", "vc")),
)
REWRITES = ("unimodal.rewrites.joined.Joined", "unimodal.rewrites.reordered.Reordered")
COMPILED = {"sampler": "unimodal.samplers.greedy.Greedy", "capture": {"class": "unimodal.captures.compiled.Compiled"}}
KINDS: Mapping[str, type[PreTrainedModel]] = {
    "asr": SpeechT5ForSpeechToText,
    "tts": SpeechT5ForTextToSpeech,
    "vc": SpeechT5ForSpeechToSpeech,
}


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting, as both sides run it: calls that give what is compared."""

    ours: Callable[[], Tensor]
    theirs: Callable[[], Tensor]
    frames: int
    """That an answer has, all rows together; of `asr` frames that are heard."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="*", default=[setting.name for setting in SETTINGS])
    parser.add_argument("--seconds", type=float, default=4.0, help="of the longest source that is heard")
    parser.add_argument("--letters", type=int, default=64, help="of the longest text, and of a transcript")
    parser.add_argument("--steps", type=int, default=128, help="of two frames each, that an utterance has")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny models, few steps, one round")
    parser.add_argument("--out", type=Path, default=Path("runs/bench_speech.json"))
    options = parser.parse_args(arguments)
    if options.quick:
        options.settings = [setting.name for setting in SETTINGS if not setting.fast]
        options.seconds, options.letters, options.steps, options.rounds = 0.2, 5, 4, 1
    results: dict[str, Any] = {
        **describe_run("torch", "transformers"),
        **{name: getattr(options, name) for name in ("seconds", "letters", "steps", "rounds")},
        "threads": torch.get_num_threads(),
        "rows": {},
    }
    for name, trial in trials(options):
        results["rows"][name] = measure(trial, options.rounds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    show(results["rows"])


def measure(trial: Trial, rounds: int) -> dict[str, Any]:
    """Both sides in turns."""
    (ours, ours_counted), (theirs, theirs_counted) = counted(trial.ours), counted(trial.theirs)
    assert ours.shape == theirs.shape, f"ours is {tuple(ours.shape)}, theirs {tuple(theirs.shape)}"
    timed = timed_ratio(trial.ours, trial.theirs, rounds)
    seconds = trial.frames * HOP / RATE
    return {
        "frames/s": trial.frames / timed.first_seconds,
        "transformers, frames/s": trial.frames / timed.second_seconds,
        "times as fast": 1 / timed.ratio,
        "real-time factor": timed.first_seconds / seconds,
        "transformers, real-time factor": timed.second_seconds / seconds,
        "farthest apart": float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-9)),
        "operations": ours_counted,
        "transformers, operations": theirs_counted,
        **asdict(timed),
    }


@final
class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts calls of torch's operators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.num_calls += 1
        return func(*args, **(kwargs or {}))


def counted(run: Callable[[], Tensor]) -> tuple[Tensor, dict[str, float]]:
    """What a call gives, and what it took."""
    with FlopCounterMode(display=False) as operations, Calls() as calls:
        found = run()
    return found, {"flops": float(operations.get_total_flops()), "calls": float(calls.num_calls)}


def trials(options: argparse.Namespace) -> Iterator[tuple[str, Trial]]:
    """The settings that were asked for; no more than one task's models are held at once."""
    for task in dict.fromkeys(setting.task for setting in SETTINGS if setting.name in options.settings):
        torch.manual_seed(0)
        make = vocoding if task == "vocoder" else writing if task == "asr" else speaking
        make_trial = make(task, options)
        for setting in SETTINGS:
            if setting.task == task and setting.name in options.settings:
                yield setting.name, make_trial(setting)


def writing(task: str, options: argparse.Namespace) -> Callable[[Setting], Trial]:
    """Speech -> a fixed number of letters, the best one each."""
    theirs, ours = pair(KINDS[task], options)
    ours.generation_config = theirs.generation_config
    asked = {"max_new_tokens": options.letters, "min_new_tokens": options.letters, "num_beams": 1, "do_sample": False}

    def trial(setting: Setting) -> Trial:
        given = heard(setting.rows, options)
        frames = int(given["attention_mask"].sum()) // HOP

        def write(model: Any) -> Callable[[], Tensor]:
            return lambda: model.generate(**given, **asked)

        return Trial(ours=write(ours), theirs=write(theirs), frames=frames)

    return trial


def speaking(task: str, options: argparse.Namespace) -> Callable[[Setting], Trial]:
    """Text or speech -> a fixed number of steps of frames, in voices."""
    theirs, ours = pair(KINDS[task], options)
    reduction: int = theirs.config.reduction_factor

    def trial(setting: Setting) -> Trial:
        rows = setting.rows
        given = read(rows, options) if task == "tts" else heard(rows, options)
        voices = torch.randn(rows, theirs.config.speaker_embedding_dim)
        source = given["input_ids" if task == "tts" else "input_values"]
        entries = source.shape[1] if task == "tts" else entries_of(theirs, source.shape[1])
        limits = {"threshold": reduction + 1.0, "maxlenratio": (options.steps + 0.5) * reduction / entries}

        if setting.fast:
            rewrite(ours, REWRITES)

        def speak(model: Any, **how: Any) -> Callable[[], Tensor]:
            def run() -> Tensor:
                torch.manual_seed(SEED)
                spoken: Tensor = model.generate_speech(source, voices, given["attention_mask"], **limits, **how)
                return spoken

            return run

        own = speak(ours, decoding=COMPILED) if setting.fast else speak(ours)
        return Trial(ours=own, theirs=speak(theirs), frames=rows * options.steps * reduction)

    return trial


def vocoding(task: str, options: argparse.Namespace) -> Callable[[Setting], Trial]:
    """Frames -> samples."""
    sizes: dict[str, Any] = {"model_in_dim": 80, **({"upsample_initial_channel": 16} if options.quick else {})}
    theirs, ours = both(SpeechT5HifiGan(SpeechT5HifiGanConfig(**sizes)))

    def trial(setting: Setting) -> Trial:
        frames = torch.randn(setting.rows, 2 * options.steps, 80)

        def sound(model: Any) -> Callable[[], Tensor]:
            return lambda: model(frames)

        return Trial(ours=sound(ours), theirs=sound(theirs), frames=setting.rows * frames.shape[1])

    return trial


def pair(kind: type[PreTrainedModel], options: argparse.Namespace) -> tuple[Any, Any]:
    """Theirs and ours, of one task."""
    return both(kind(SpeechT5Config(**(TINY if options.quick else {}))))


def both(theirs: Any) -> tuple[Any, Any]:
    """A model of theirs, and ours with its weights."""
    config = {**json.loads(theirs.config.to_json_string(use_diff=False)), "architectures": [type(theirs).__name__]}
    conversion = conversion_of(config)
    spec = conversion.config(config)
    make = UnimodalVocoder if "class" in spec else UnimodalForConditionalGeneration
    ours: Any = make(UnimodalConfig(spec=spec, origin=config))
    ours.load_state_dict(conversion.to_unimodal(theirs.state_dict(), config), strict=False)
    for model in (theirs, ours):
        model.eval().requires_grad_(False)
    return theirs, ours


def read(rows: int, options: argparse.Namespace) -> dict[str, Tensor]:
    """Texts of letters, each a little shorter than the one before."""
    mask = ragged(rows, options.letters)
    return {"input_ids": torch.randint(4, LETTERS, mask.shape).masked_fill(mask == 0, 1), "attention_mask": mask}


def heard(rows: int, options: argparse.Namespace) -> dict[str, Tensor]:
    """Noise, each row a little shorter than the one before."""
    mask = ragged(rows, int(options.seconds * RATE))
    return {"input_values": torch.randn(mask.shape) * mask, "attention_mask": mask}


def ragged(rows: int, longest: int) -> Tensor:
    """The shortest row has half of the longest one's entries."""
    lengths = torch.linspace(longest, longest / 2, rows).long()
    return (torch.arange(longest) < lengths[:, None]).long()


def entries_of(theirs: Any, samples: int) -> int:
    """What the convolutions leave of so many samples."""
    for kernel, stride in zip(theirs.config.conv_kernel, theirs.config.conv_stride, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def show(rows: Mapping[str, Mapping[str, Any]]) -> None:
    columns = ("frames/s", "transformers, frames/s", "times as fast", "real-time factor", "farthest apart")
    table = Table("SpeechT5, float32", *columns, "GFLOP", "transformers, GFLOP")
    for name, row in rows.items():
        flops = [f"{row[side]['flops'] / 1e9:.3g}" for side in ("operations", "transformers, operations")]
        table.add_row(name, *(f"{row[column]:.3g}" for column in columns), *flops)
    Console().print(table)


if __name__ == "__main__":
    main()
