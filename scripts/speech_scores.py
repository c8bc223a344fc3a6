"""What a model of spoken-language tasks is worth: every measure of every task on held-out examples, beside bounds.

python -m scripts.speech_scores runs/speech/all --limit 100 --out runs/speech/all/scores.json
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.nn import functional

from unimodal.cli import guarded
from unimodal.decoding.generate import find_decoding
from unimodal.loading.hub import load_own
from unimodal.loading.own import Unimodal
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.spec import load_spec
from unimodal.task import Example, Task
from unimodal.tasks.clips import sound
from unimodal.tasks.corpora.made import UNSEEN, MadeSpeech
from unimodal.tasks.metrics.cepstra import MelCepstralDistortion
from unimodal.tasks.metrics.errors import CharacterErrorRate, WordErrorRate
from unimodal.tasks.metrics.intelligibility import ShortTimeIntelligibility
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.metrics.overlap import ChrF
from unimodal.tasks.metrics.quality import PerceivedQuality
from unimodal.tasks.metrics.recognised import RecognisedWordErrorRate
from unimodal.tasks.metrics.voices import equal_error_rate
from unimodal.tasks.order import rank
from unimodal.tasks.speakers import STUDIO
from unimodal.tasks.voices import voice_of

BATCH = 16
STEPS = 200
"""Of the longest answer: 8 s of speech at 40 ms a step."""
Scores = dict[str, float]


@dataclass(frozen=True, eq=False)
class Answered:
    """Held-out examples of a task with answers to them: a model's, or what stands in for one."""

    examples: Sequence[Example]
    answers: Sequence[object]

    @property
    def references(self) -> list[object]:
        return [example.answer for example in self.examples]

    def sounds(self) -> list[Waveform]:
        """The answers as sound."""
        return [
            Waveform(answer, RATE, "answer") if isinstance(answer, Tensor) else sound(answer) for answer in self.answers
        ]


def recognised(found: Answered) -> Scores:
    """asr: characters and words wrong."""
    return {
        "character error rate": CharacterErrorRate()(found.answers, found.references),
        "word error rate": WordErrorRate()(found.answers, found.references),
    }


def translated(found: Answered) -> Scores:
    """st."""
    return {"chrF": ChrF()(found.answers, found.references)}


def identified(found: Answered) -> Scores:
    """sid."""
    return {"exact match": ExactMatch()(found.answers, found.references)}


def spoken(found: Answered) -> Scores:
    """tts_voices: words that an independent recogniser gets wrong, distance to the recording, likeness of the voice."""
    texts = [example.inputs["text"] for example in found.examples]
    return {
        "recognised word error rate": RecognisedWordErrorRate()(found.sounds(), texts),
        "mel cepstral distortion": MelCepstralDistortion()(found.sounds(), found.references),
        "cosine to the voice": _mean(_likeness(found, "voice")),
    }


def converted(found: Answered) -> Scores:
    """vc: how often the answer's voice is nearer to the target's than to the source's."""
    target, source = _likeness(found, "voice"), _likeness(found, "speech")
    return {
        "closer to the target": _mean([float(to > of) for to, of in zip(target, source, strict=True)]),
        "cosine to the target": _mean(target),
        "cosine to the source": _mean(source),
        "mel cepstral distortion": MelCepstralDistortion()(found.sounds(), found.references),
    }


def enhanced(found: Answered) -> Scores:
    """se: both against the clean recording."""
    return {
        "STOI": ShortTimeIntelligibility()(found.sounds(), found.references),
        "PESQ": PerceivedQuality()(found.sounds(), found.references),
        "mel cepstral distortion": MelCepstralDistortion()(found.sounds(), found.references),
    }


def verified(limit: int) -> Scores:
    """Whether two clips are of one speaker, by the speaker encoder: all pairs of clips of speakers unheard in training.

    What answers for strangers, whom `sid` never names.
    """
    unheard = [clip for clip in MadeSpeech().examples("test") if clip.speaker in UNSEEN]
    clips = sorted(unheard, key=lambda clip: rank(clip.key))[:limit]
    vectors = [voice_of(clip.speech).vector for clip in clips]
    pairs = list(combinations(range(len(clips)), 2))
    likeness = [_cosine(vectors[one], vectors[other]) for one, other in pairs]
    is_same = [clips[one].speaker == clips[other].speaker for one, other in pairs]
    return {"equal error rate": equal_error_rate(likeness, is_same)}


@dataclass(frozen=True)
class Trial:
    """A task on held-out examples: how its answers are measured, what of its settings is changed, how it decodes."""

    task: str
    measure: Callable[[Answered], Scores]
    settings: Mapping[str, object] = field(default_factory=dict)
    decoding: Mapping[str, object] = field(default_factory=lambda: GREEDY)
    has_recordings: bool = False
    """Whether the recordings themselves are measured: the bound that an answer can hope for."""


GREEDY: Mapping[str, object] = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": STEPS}
TRIALS: Mapping[str, Trial] = {
    "asr": Trial("asr", recognised),
    "asr, joint": Trial("asr", recognised, decoding=load_spec(find_decoding("joint"))),
    "st": Trial("st", translated),
    "tts_voices": Trial("tts_voices", spoken, has_recordings=True),
    "tts_voices, studio": Trial("tts_voices", spoken, settings={"speakers": [STUDIO]}, has_recordings=True),
    "vc": Trial("vc", converted),
    "se": Trial("se", enhanced),
    "sid": Trial("sid", identified),
}
TASKS = tuple(dict.fromkeys(trial.task for trial in TRIALS.values()))


def score(model: Unimodal, names: Sequence[str], *, limit: int) -> dict[str, dict[str, Scores]]:
    """By trial of some tasks: the measures of the model, and of trivial answers or of the recordings themselves."""
    scores: dict[str, dict[str, Scores]] = {}
    for name, trial in TRIALS.items():
        if trial.task not in names:
            continue
        task = model.task(trial.task, **trial.settings)
        examples = chosen(task.examples("test"), limit)
        found = {"model": Answered(examples, answers(model, task, examples, trial.decoding))}
        if trial.has_recordings:
            found["recordings"] = Answered(examples, [example.answer for example in examples])
        else:
            for said, trivial in task.trivial(task.examples("train")).items():
                found[said] = Answered(examples, [trivial(example) for example in examples])
        scores[name] = {said: trial.measure(one) for said, one in found.items()}
        if trial.task == "sid":
            scores[name]["speaker encoder on strangers"] = verified(limit)
        print(json.dumps({name: scores[name], "examples": len(examples)}), flush=True)
    return scores


def chosen(examples: Sequence[Example], limit: int) -> list[Example]:
    """`limit` examples, always the same ones."""
    return [examples[place] for place in Random(0).sample(range(len(examples)), len(examples))[:limit]]


def answers(model: Unimodal, task: Task, examples: Sequence[Example], decoding: Mapping[str, object]) -> list[object]:
    """The model's."""
    torch.manual_seed(0)  # the pre-net's noise is the same every time
    found: list[object] = []
    for start in range(0, len(examples), BATCH):
        results = model.answer(task, examples[start : start + BATCH], decoding=decoding)
        found += [result.value for result in results]
    return found


def _likeness(found: Answered, name: str) -> list[float]:
    """Cosine of each answer's voice and that of an input."""
    pairs = zip(found.sounds(), found.examples, strict=True)
    return [_cosine(voice_of(answer).vector, voice_of(example.inputs[name]).vector) for answer, example in pairs]


def _cosine(first: Tensor, second: Tensor) -> float:
    return float(functional.cosine_similarity(first, second, dim=0))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model's folder, or an adapter's")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--limit", type=int, default=100, help="examples a task, always the same ones")
    parser.add_argument("--out", type=Path, help="file that gets the scores as JSON")
    options = parser.parse_args()
    return guarded(lambda: run(options))


def run(options: argparse.Namespace) -> int:
    scores = score(load_own(options.model), options.tasks, limit=options.limit)
    if options.out is not None:
        options.out.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
