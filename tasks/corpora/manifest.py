"""`python -m unimodal.tasks.corpora.manifest es --out DIR`: spoken captions of Tux Paint as a manifest of `asr`.

What `unimodal finetune` is tried with: a language that the nano model never heard. Clips of one caption are one group,
so what is held out is heard in no training clip.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from unimodal.cli import guarded
from unimodal.tasks.corpora.lines import write_lines
from unimodal.tasks.corpora.recordings import SAMPLING_RATE, Recording
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.transcripts import spoken_form

LONGEST = 6.0
"""Seconds of a clip."""


def main() -> int:
    """Writes `manifest.jsonl` and the clips beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", help="of the captions: es, el, ru, da; bg, ca, ro, be are fetched")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets manifest.jsonl and clips/")
    parser.add_argument("--train", type=int, default=300, help="clips to learn from; all others are held out")
    options = parser.parse_args()
    return guarded(lambda: write(options.language, options.out, options.train))


def write(language: str, out: Path, num_train: int) -> int:
    """Whole captions are drawn for training, always the same ones, until there are `num_train` clips."""
    clips: dict[str, list[tuple[str, str, Recording]]] = {}
    for key, caption, clip in captions(language):
        clips.setdefault(spoken_form(caption, language), []).append((key, caption, clip))
    if not clips:
        raise ValueError(f"language: there are no spoken captions in {language!r}")
    order = sorted(clips)
    Random(1).shuffle(order)
    (out / "clips").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    left = num_train
    for heard in order:
        is_taught = len(clips[heard]) <= left
        left -= len(clips[heard]) if is_taught else 0
        for key, caption, clip in clips[heard]:
            file = out / "clips" / f"{len(rows):04}.wav"
            save(clip, file)
            side = "train" if is_taught else "test"
            rows.append({"speech": f"clips/{file.name}", "answer": caption, "group": heard, "split": side, "key": key})
    write_lines(out / "manifest.jsonl", rows)
    print(f"{out / 'manifest.jsonl'}: {num_train - left} clips to learn from, {len(rows) - num_train + left} held out")
    return 0


def captions(language: str) -> Iterator[tuple[str, str, Recording]]:
    """(stamp, caption, clip) of all splits; clips in which nothing is said, or for long, are left out."""
    kept = TuxPaint()
    corpus = kept if language in kept.spoken else TuxPaint((language,))  # fetched once more, with other clips
    for split in ("train", "validation", "test"):
        for stamp in corpus.examples(split):
            clip = stamp.speech.get(language)
            if clip is not None and clip.seconds <= LONGEST and spoken_form(stamp.captions[language], language):
                yield stamp.key, stamp.captions[language], clip


def save(clip: Recording, file: Path) -> None:
    """A clip as a wav file."""
    import soundfile

    soundfile.write(file, clip.samples(), SAMPLING_RATE, subtype="PCM_16")


if __name__ == "__main__":
    sys.exit(main())
