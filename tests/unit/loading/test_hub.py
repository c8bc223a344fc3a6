"""A model's folder: written, read, found by transformers' own classes, and refused where it is not what it says."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Decoding
from unimodal.loading.hub import load
from unimodal.loading.own import Unimodal
from unimodal.model import SMALLEST, UnimodalForConditionalGeneration
from unimodal.processor import UnimodalProcessor
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.spec import load_spec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@pytest.fixture
def folder(tiny: Unimodal, tmp_path: Path) -> Path:
    tiny.save_pretrained(tmp_path)
    return tmp_path


def same(first: "PreTrainedModel", second: "PreTrainedModel") -> bool:
    theirs = second.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in first.state_dict().items())


SHORT = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": 12}


def answers(model: Unimodal) -> list[object]:
    tasks = ("translate_fr", "lid_text")
    return [result.value for task in tasks for result in model.run(task, prompt="press one", decoding=SHORT)]


def test_what_is_saved_is_loaded(tiny: Unimodal, folder: Path) -> None:
    names = {"config.json", "generation_config.json", "model.safetensors", "processor_config.json", "tokenizer.model"}
    assert {path.name for path in folder.iterdir()} == names
    loaded = load(folder)
    assert same(tiny.model, loaded.model)
    assert not loaded.model.training
    assert {tensor.device.type for tensor in [*loaded.model.parameters(), *loaded.model.buffers()]} == {"cpu"}
    assert loaded.processor.vocabulary.space.ranges == tiny.processor.vocabulary.space.ranges
    assert answers(tiny) == answers(loaded)


def test_every_buffer_is_as_a_fresh_one(tiny: Unimodal, folder: Path) -> None:
    """transformers builds a model without values and fills in what the file holds; the rest must not stay empty."""
    fresh = dict(UnimodalForConditionalGeneration(tiny.model.config).named_buffers())
    loaded = dict(load(folder).model.named_buffers())
    assert fresh.keys() == loaded.keys()
    assert all(torch.equal(value, loaded[name]) for name, value in fresh.items())


def test_transformers_own_classes_find_ours(tiny: Unimodal, folder: Path) -> None:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    assert type(AutoConfig.from_pretrained(folder)) is UnimodalConfig
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    assert type(model) is UnimodalForConditionalGeneration
    assert same(tiny.model, model)


FINDING = """
import sys
{imports}
processor = AutoProcessor.from_pretrained(sys.argv[1])
assert type(processor) is unimodal.UnimodalProcessor
assert sorted(processor.nets) == sys.argv[2:]
assert type(AutoConfig.from_pretrained(sys.argv[1])) is unimodal.UnimodalConfig
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import unimodal; from transformers import AutoConfig, AutoProcessor",
        "from transformers import AutoConfig, AutoProcessor; import unimodal",
    ],
)
def test_they_find_ours_whichever_is_imported_first(tiny: Unimodal, folder: Path, imports: str) -> None:
    code = FINDING.format(imports=imports)
    command = [sys.executable, "-c", code, folder, *sorted(tiny.processor.nets)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_both_can_be_pushed() -> None:
    assert callable(UnimodalForConditionalGeneration.push_to_hub) and callable(UnimodalProcessor.push_to_hub)


def test_generation_config_is_written_read_and_heeded(tiny: Unimodal, folder: Path) -> None:
    ids = torch.tensor([[5, 6, 7]])
    assert load(folder).model.generate(ids).shape[1] > 4
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, "max_new_tokens": 3, "num_beams": 2}))
    model = load(folder).model
    assert model.generation_config.max_new_tokens == 3
    assert model.generate(ids).shape[1] == 4
    expected = model.generate(ids, decoding=Decoding(Beam(2), limit=3))
    assert torch.equal(model.generate(ids), expected)
    assert model.generate(ids, max_new_tokens=2, num_beams=1).shape[1] == 3
    model.generation_config.do_sample = True
    with pytest.raises(ValueError, match="^do_sample, num_beams: "):
        model.generate(ids)
    model.generation_config.update(num_beams=1, temperature=0.5, top_k=1, top_p=0.9)
    expected = model.generate(ids, decoding=Decoding(Greedy(), limit=3))
    assert torch.equal(model.generate(ids), expected)
    model.save_pretrained(folder)
    assert json.loads((folder / "generation_config.json").read_text())["top_k"] == 1


def test_a_start_token_of_its_own_is_heeded(tiny: Unimodal, folder: Path) -> None:
    model = load(folder).model
    assert model.generate(torch.tensor([[5, 6]]), max_new_tokens=1)[0, 0] == model.vocabulary.start
    model.generation_config.decoder_start_token_id = 0
    model.save_pretrained(folder)
    assert load(folder).model.generate(torch.tensor([[5, 6]]), max_new_tokens=1)[0, 0] == 0


def test_sharded_weights_are_weights(tiny: Unimodal, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    tiny.model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert same(tiny.model, load(folder).model)


def changed(file: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Changes a JSON file of a folder in place, or writes what the change gives."""

    def apply(folder: Path) -> None:
        values = json.loads((folder / file).read_text())
        values = change(values) or values
        (folder / file).write_text(json.dumps(values))

    return apply


def spec(**values: Any) -> Callable[[Path], None]:
    return changed("config.json", lambda config: config["spec"].update(values))


def stack(**values: Any) -> Callable[[Path], None]:
    return changed("config.json", lambda config: config["spec"]["backbone"]["encoder"].update(values))


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def rename_a_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({"odd": weights.pop("embedding.weight"), **weights}, folder / "model.safetensors")


def name_a_file_outside(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"embedding.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


NESTED = '{"spec": ' + "[" * 100_000 + "]" * 100_000 + "}"
HOSTILE = {
    "class elsewhere": (spec(head="os.path.join"), "config.spec.head: 'os.path.join' is not below unimodal."),
    "imported elsewhere": (spec(head="unimodal.build.Path"), "config.spec.head: 'unimodal.build.Path' comes from"),
    "wrong contract": (spec(head="unimodal.config.Parts"), "config.spec.head: unimodal.config.Parts is not a Head"),
    "a command": (spec(head="unimodal.__main__.main"), "'unimodal.__main__.main' comes from|is not a Head"),
    "no model": (lambda f: (f / "config.json").unlink(), "holds no config.json and no adapter_config.json"),
    "other family": (changed("config.json", lambda c: c.update(model_type="gpt9")), "model_type: 'gpt9' is none of "),
    "no spec": (changed("config.json", lambda c: c.update(spec="abc")), "spec: expected a mapping, got str"),
    "other weights": (changed("config.json", lambda c: c.update(transformers_weights="a.bin")), "transformers_weights"),
    "not JSON": (lambda f: (f / "config.json").write_text("{"), "config.json: is no JSON"),
    "not an object": (lambda f: (f / "config.json").write_text("[1]"), "config.json: holds no JSON object"),
    "nested": (lambda f: (f / "config.json").write_text(NESTED), r"config.json: is no JSON \(RecursionError\)"),
    "long": (lambda f: (f / "config.json").write_text(" " * 2_000_000), "config.json: has more than 1,000,000 bytes"),
    "deep": (stack(depth=10**12), "depth: a stack has 0 to 1000 blocks"),
    "wide": (spec(dim=2**20), r"the config describes \d+( x 1048576)?, the weights hold"),
    "deeper": (stack(depth=3), "backbone.encoder.blocks.1.* the weights hold none"),
    "vocabulary": (
        changed("config.json", lambda c: c["spec"]["vocabulary"]["ranges"].append({"extra": 10**12})),
        r"embedding.weight: the config describes 1000000\d+ x 8, the weights hold",
    ),
    "pickle": (as_pickle, "model.safetensors: not there; weights in any other format are not read"),
    "renamed": (rename_a_tensor, "embedding.weight: the config describes .* the weights hold none"),
    "damaged": (lambda f: (f / "model.safetensors").write_bytes(b"abc"), "model.safetensors: is no safetensors file"),
    "outside": (name_a_file_outside, "weight_map: names what is no safetensors file of its folder"),
    "no tokenizer": (lambda f: (f / "tokenizer.model").unlink(), "tokenizer.model: not there"),
    "no processor": (lambda f: (f / "processor_config.json").unlink(), "processor_config.json: not there"),
    "net elsewhere": (
        changed("processor_config.json", lambda c: c["processors"].update(text="os.path.join")),
        "config.processors.text: 'os.path.join' is not below unimodal.",
    ),
    "processor": (
        changed("processor_config.json", lambda c: c.update(vocabulary=3)),
        "processor_config.json: vocabulary: expected a list",
    ),
}


@pytest.mark.parametrize(("damage", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_folder_that_is_no_model_is_refused_in_one_line(
    folder: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(folder)
    before = set(sys.modules)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert {name for name in set(sys.modules) - before if not name.startswith(("unimodal.", "transformers."))} == set()


def test_transformers_own_loading_refuses_them_too(folder: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    as_pickle(folder)
    with pytest.raises(FileNotFoundError, match="model.safetensors: not there"):
        AutoModelForSeq2SeqLM.from_pretrained(folder)


def test_a_name_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load(tmp_path / "absent" / "folder" / "name")


def test_without_arguments_the_smallest_model_is_built(tmp_path: Path) -> None:
    model = UnimodalForConditionalGeneration(UnimodalConfig())
    assert model.embedding.weight.shape == (321, 8)
    UnimodalForConditionalGeneration(UnimodalConfig(spec=load_spec(SMALLEST)["spec"])).save_pretrained(tmp_path)
    assert UnimodalForConditionalGeneration.from_pretrained(tmp_path).num_parameters() == model.num_parameters()


def test_a_stream_grows_to_the_answer(tiny: Unimodal) -> None:
    task = tiny.task("translate_fr")
    (example,) = task.read([], "press one")
    item = tiny.processor.prompt(task, example)
    *parts, last = tiny.stream(task, item, decoding=SHORT)
    (whole,) = tiny.answer_items(task, [item], decoding=SHORT)
    assert (last.value, last.tokens, last.score) == (whole.value, whole.tokens, pytest.approx(whole.score))
    assert [part.tokens for part in parts] == [last.tokens[:length] for length in range(1, len(last.tokens))]
    pieces = tiny.processor.vocabulary.pieces
    assert "".join(pieces.decode_stream(last.tokens)) == last.value


def test_what_does_not_stream_says_so_at_once(tiny: Unimodal) -> None:
    tts, translate = tiny.task("tts"), tiny.task("translate_fr")
    (example,) = translate.read([], "press one")
    item = tiny.processor.prompt(translate, example)
    with pytest.raises(ValueError, match="^tts: does not stream, for it writes frames"):
        tiny.stream(tts, item)
    with pytest.raises(ValueError, match="^decoding: Beam does not stream"):
        tiny.stream(translate, item, decoding="beam")


def test_a_limit_below_the_shortest_answer_is_named(tiny: Unimodal) -> None:
    with pytest.raises(ValueError, match="^limit: the shortest answer has 2 tokens, so none fits into 1"):
        tiny.run("lid_text", prompt="press one", decoding={**SHORT, "limit": 1})
