"""Fuzzes a reader with atheris: whatever the bytes, it answers or gives one line. `make fuzz MINUTES=10` runs them all.

python scripts/fuzz.py READER --seconds 600

A reader is given seeds that it understands and what atheris makes of them. ValueError and FileNotFoundError of one line
are answers; anything else (a traceback of another kind, a process that dies, 10 s or 4 GiB) stops the run, and the
input is kept below runs/fuzz/READER.
"""

import argparse
import hashlib
import io
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

FOUND = Path("runs/fuzz")
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 7, 10**12, 1e308, "", "x", "a\nb", "../x", "os.system"),
    *([], [1], ["x"], {}, {"x": 1}, [[[]]]),
)
"""What may stand where a config is expected to hold something else."""
SHARED_MEMORY = Path("/dev/shm")
LIMITS = ("-timeout=10", "-rss_limit_mb=4096", "-max_len=65536")


@dataclass(frozen=True)
class Reader:
    """Reads a file of a folder; `seeds` are files that it can read."""

    file: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=["all", *READERS])
    parser.add_argument("--seconds", type=int, default=600, help="for each reader")
    options = parser.parse_args()
    return run_all(options.seconds) if options.reader == "all" else fuzz(options.reader, options.seconds)


def run_all(seconds: int) -> int:
    """Each reader in a process of its own, since libFuzzer ends the process it runs in."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    failed = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("fuzzing", total=len(READERS))
        for name in READERS:
            progress.update(bar, description=name)
            command = [sys.executable, __file__, name, "--seconds", str(seconds)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            runs = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
            progress.console.print(f"{name}: {runs[0] if runs and not done.returncode else 'FAILED'}")
            if done.returncode:
                failed.append(name)
                progress.console.print(done.stderr[-4000:], markup=False)
            progress.advance(bar)
    return 1 if failed else 0


def fuzz(name: str, seconds: int) -> int:
    import atheris

    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    with atheris.instrument_imports(include=["unimodal"]):
        import unimodal.data.manifest
        import unimodal.loading.hub  # noqa: F401  # and what the readers import
        import unimodal.prenets.long_sound
        import unimodal.prenets.pixels
        import unimodal.prenets.table
        import unimodal.prenets.waveform
        import unimodal.training.checkpoints.manifest  # noqa: F401
    reader, found = READERS[name], FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as temporary:
        folder, seeds = Path(temporary) / "folder", Path(temporary) / "seeds"
        seeds.mkdir()
        for number, seed in enumerate(reader.seeds()):
            (seeds / str(number)).write_bytes(seed)
        if name in MODEL_FILES:
            write_model(folder)
        if name == "adapter":
            write_adapter(folder)
        folder.mkdir(exist_ok=True)

        def once(data: bytes) -> None:
            (folder / reader.file).write_bytes(data)
            try:
                reader.read(folder / reader.file)
            except (ValueError, FileNotFoundError) as error:
                if "\n" in str(error).strip():
                    raise AssertionError(f"more than one line: {error}") from error

        def mutate(data: bytes, longest: int, seed: int) -> bytes:
            """One value of a JSON file becomes another; bytes that are no JSON any more change as atheris likes."""
            try:
                changed = json.dumps(_changed(json.loads(data), random.Random(seed))).encode()
            except (ValueError, RecursionError):
                changed = data
            is_new = changed != data and len(changed) <= longest and seed % 4
            return changed if is_new else bytes(atheris.Mutate(data, longest))

        limits = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={found}/"]
        chosen = {"custom_mutator": mutate} if reader.file.endswith(".json") else {}
        atheris.Setup([sys.argv[0], *limits, str(seeds)], once, **chosen)
        atheris.Fuzz()
    return 0


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with one of its parts, however deep, taken out or replaced."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.05:
        return chance.choice(ODD)
    place = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    copy = value.copy()
    if chance.random() < 0.15:
        del copy[place]
    else:
        copy[place] = _changed(value[place], chance)
    return copy


def load(file: Path) -> object:
    from unimodal.loading.hub import load

    return load(file.parent)


def read_sound(file: Path) -> object:
    from unimodal.prenets.waveform import Waveform

    return Waveform.read(file, max_seconds=60)


def hear_in_windows(file: Path) -> object:
    from unimodal.prenets.long_sound import LongSound

    return [window.read() for window in LongSound(file, window=1.0).windows]


def read_picture(file: Path) -> object:
    from unimodal.prenets.pixels import read_picture

    return read_picture(file)


def read_table(file: Path) -> object:
    from unimodal.prenets.table import Grid

    return Grid.read(file)


def write_model(folder: Path) -> None:
    """A tiny T5 of transformers."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=40, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(folder)


def write_adapter(folder: Path) -> None:
    """An adapter beside its base."""
    from unimodal.adapters.lora import Lora
    from unimodal.conversions.checkpoint import read_checkpoint

    model, adapter = read_checkpoint(folder), Lora(rank=2, alpha=4)
    adapter.attach(model)
    adapter.save(model, folder)


def model_file(name: str) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            write_model(Path(folder))
            return [(Path(folder) / name).read_bytes()]

    return seeds


def index_seeds() -> list[bytes]:
    return [json.dumps({"metadata": {}, "weight_map": {"shared.weight": "model-1.safetensors"}}).encode()]


def read_index(file: Path) -> object:
    """The index is read where there is no single file of weights."""
    from unimodal.loading.hub import load

    weights = file.parent / "model.safetensors"
    if weights.exists():
        shutil.move(weights, file.parent / "model-1.safetensors")
    return load(file.parent)


def adapter_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder))
        write_adapter(Path(folder))
        return [(Path(folder) / "adapter_config.json").read_bytes()]


def read_adapter(file: Path) -> object:
    from unimodal.loading.hub import load

    return load(file.parent, base=file.parent)


def sound_seeds(num_samples: int = 400) -> list[bytes]:
    import numpy
    import soundfile

    tone = 0.3 * numpy.sin(numpy.arange(num_samples) * 0.2)
    files = []
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        buffer = io.BytesIO()
        soundfile.write(buffer, tone, 16_000, format=kind)
        files.append(buffer.getvalue())
    return files


def picture_seeds() -> list[bytes]:
    from PIL import Image

    files = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        buffer = io.BytesIO()
        Image.effect_noise((16, 12), 60).save(buffer, format=kind)
        files.append(buffer.getvalue())
    return files


def table_seeds() -> list[bytes]:
    return [b"name,price\npear,3\nplum,4\n", b'a,b\n"x, y",2\n']


def manifest_seeds() -> list[bytes]:
    rows = [{"speech": "a.wav", "answer": "yes"}, {"speech": "a.wav", "answer": "no", "group": "b", "split": "test"}]
    return [b"".join(json.dumps(row).encode() + b"\n" for row in rows)]


def read_manifest(file: Path) -> object:
    """Rows that name files, and how they are divided."""
    from unimodal.data.columns import Files
    from unimodal.data.manifest import Manifest
    from unimodal.tasks.columns.sound import Sound
    from unimodal.tasks.columns.text import Text

    if not (file.parent / "a.wav").exists():
        (file.parent / "a.wav").write_bytes(sound_seeds()[0])
    files, columns = Files(file.parent), {"speech": Sound(8.0), "answer": Text(sample="yes")}
    manifest = Manifest(file)
    manifest.keep(lambda row: [column.read(row.values.get(name), files) for name, column in columns.items()])
    return manifest.divide(columns, share=0.1)


def checkpoint_seeds() -> list[bytes]:
    entry = {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    return [json.dumps({"number": 1, "step": 3, "files": {"state.json": entry}}).encode()]


def read_manifest_of_checkpoint(file: Path) -> object:
    from unimodal.training.checkpoints.manifest import Manifest

    (file.parent / "state.json").write_bytes(b"{}")
    Manifest.read(file.parent).check(file.parent)
    return file


MODEL_FILES = ("config", "generation", "weights", "index", "adapter")
READERS = {
    "config": Reader("config.json", load, model_file("config.json")),
    "generation": Reader("generation_config.json", load, model_file("generation_config.json")),
    "weights": Reader("model.safetensors", load, model_file("model.safetensors")),
    "index": Reader("model.safetensors.index.json", read_index, index_seeds),
    "adapter": Reader("adapter_config.json", read_adapter, adapter_seeds),
    "sound": Reader("sound.wav", read_sound, sound_seeds),
    "windows": Reader("sound.wav", hear_in_windows, lambda: sound_seeds(24_000)),
    "image": Reader("image.png", read_picture, picture_seeds),
    "table": Reader("table.csv", read_table, table_seeds),
    "manifest": Reader("manifest.jsonl", read_manifest, manifest_seeds),
    "checkpoint": Reader("manifest.json", read_manifest_of_checkpoint, checkpoint_seeds),
}

if __name__ == "__main__":
    sys.exit(main())
