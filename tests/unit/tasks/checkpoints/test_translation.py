"""Translation on checkpoints of T5, Marian, M2M100, NLLB and mBART: what transformers writes, in every direction."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

import unimodal

Ask = Callable[..., tuple[int, str, str]]
Save = Callable[..., Path]
SENTENCE = "The lines are wrapped into a paragraph."
BODY: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 64,
}
T5_PARAMETERS = {
    "translation_en_to_de": {
        "prefix": "translate English to German: ",
        "max_length": 12,
        "num_beams": 3,
        "early_stopping": True,
    }
}


def theirs(folder: Path, text: str, *, source: str | None = None, **options: Any) -> str:
    """The answer of transformers' own tokenizer and model."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    if source is not None:
        tokenizer.src_lang = source
    ids = model.generate(**tokenizer(text, return_tensors="pt"), **options)
    answer: str = tokenizer.decode(ids[0], skip_special_tokens=True)
    return answer.strip()


@pytest.fixture
def t5(save: Save, scored_pieces: list[tuple[str, float]]) -> Path:
    from transformers import T5Tokenizer

    tokenizer = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *scored_pieces], extra_ids=0)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    model = T5ForConditionalGeneration(config)
    return save(model, tokenizer, config={"task_specific_params": T5_PARAMETERS, "n_positions": 40})


def test_t5_is_asked_as_its_config_says(ask: Ask, t5: Path, text: Path) -> None:
    prompt = f"translate English to German: {SENTENCE}"
    expected = theirs(t5, prompt, max_length=12, num_beams=3, early_stopping=True)
    assert expected
    assert ask("run", "translate", text, "--model", t5, "--to", "de")[:2] == (0, f"{expected}\n")
    assert ask("run", "translate", text, "--model", t5, "--from", "English", "--to", "deu")[1] == f"{expected}\n"


def test_t5_is_asked_in_published_words_for_other_pairs(ask: Ask, t5: Path, text: Path) -> None:
    prompt = f"translate French to Romanian: {SENTENCE}"
    expected = theirs(t5, prompt, max_new_tokens=256)
    assert ask("run", "translate", text, "--model", t5, "--from", "fr", "--to", "ro")[1] == f"{expected}\n"
    greedy = theirs(t5, prompt, max_new_tokens=256, num_beams=1)
    options = ["--from", "fr", "--to", "ro", "--decoding", "greedy", "--prompt", SENTENCE]
    assert ask("run", "translate", "--model", t5, *options)[1] == f"{greedy}\n"


def test_python_answers_as_the_command_does(ask: Ask, t5: Path, text: Path, tmp_path: Path) -> None:
    model = unimodal.load(t5)
    (result,) = model.run("translate", text, source="en", target="de")
    status, said, _ = ask("run", "translate", text, "--model", t5, "--to", "de", "--json")
    row = json.loads(said)
    assert (status, row["text"], row["task"]) == (0, result.value, "translate")
    assert row["score"] == round(result.score, 4) < 0
    assert ask("run", "translate", text, "--model", t5, "--to", "de", "--out", tmp_path / "o.txt")[:2] == (0, "")
    assert (tmp_path / "o.txt").read_text() == f"{result.text}\n"
    model.save_pretrained(tmp_path / "ours")
    assert unimodal.load(tmp_path / "ours").run("translate", text, target="de")[0].text == result.text


def test_a_long_text_is_cut_at_sentences_and_said_to_be(ask: Ask, t5: Path, tmp_path: Path) -> None:
    sentences = ["The lines are wrapped.", "Text is filled!", "Long words are broken."]
    long, short = tmp_path / "long.txt", tmp_path / "short.txt"
    long.write_text(" ".join(sentences))
    short.write_text(sentences[0])
    status, said, notes = ask("run", "translate", long, short, "--model", t5, "--to", "de")
    prefix, options = "translate English to German: ", {"max_length": 12, "num_beams": 3, "early_stopping": True}
    count = len(AutoTokenizer.from_pretrained(t5)(prefix + " ".join(sentences[:2]))["input_ids"])
    pieces = [" ".join(sentences[:2]), sentences[2]] if count <= 40 else sentences
    expected = " ".join(theirs(t5, prefix + piece, **options) for piece in pieces)
    assert status == 0
    assert said == f"{long}: {expected}\n{short}: {theirs(t5, prefix + sentences[0], **options)}\n"
    note = f"unimodal: {long}: read in {len(pieces)} pieces, for the checkpoint reads 40 tokens at once\n"
    assert note in notes


@pytest.fixture
def marian(
    save: Save, sentence_pieces: Path, scored_pieces: list[tuple[str, float]], tmp_path: Path
) -> Callable[..., Path]:
    from transformers import MarianTokenizer

    def make(*codes: str, **options: Any) -> Path:
        vocabulary = ["</s>", "<unk>", *codes, *(piece for piece, _ in scored_pieces), "<pad>"]
        (tmp_path / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}))
        source = str(sentence_pieces)
        tokenizer = MarianTokenizer(source, source, str(tmp_path / "vocab.json"), **options)
        size = len(vocabulary)
        special = {"pad_token_id": size - 1, "eos_token_id": 0, "decoder_start_token_id": size - 1}
        model = MarianMTModel(MarianConfig(vocab_size=size, **BODY, **special, forced_eos_token_id=0))
        return save(model, tokenizer, max_length=20, num_beams=2, bad_words_ids=[[size - 1]])

    return make


def test_marian_translates_its_pair(ask: Ask, marian: Callable[..., Path], text: Path) -> None:
    folder = marian(source_lang="en", target_lang="de")
    expected = theirs(folder, SENTENCE)
    assert expected
    assert ask("run", "translate", text, "--model", folder)[:2] == (0, f"{expected}\n")
    assert ask("run", "translate", text, "--model", folder, "--from", "english", "--to", "deu")[1] == f"{expected}\n"
    status, said, error = ask("run", "translate", text, "--model", folder, "--to", "fr")
    assert (status, said, error) == (2, "", "unimodal: translate: --to fr: the checkpoint translates to de\n")


def test_marian_is_told_one_of_its_languages(ask: Ask, marian: Callable[..., Path], text: Path) -> None:
    folder = marian(">>fra<<", ">>ron<<", ">>zh_Hans<<", ">>zh_Hant<<", source_lang="en", target_lang="ROMANCE")
    found = {code: theirs(folder, f"{code} {SENTENCE}") for code in (">>fra<<", ">>ron<<")}
    assert found[">>fra<<"] != found[">>ron<<"]
    assert ask("run", "translate", text, "--model", folder, "--to", "fr")[1] == found[">>fra<<"] + "\n"
    assert ask("run", "translate", text, "--model", folder, "--to", "Romanian")[1] == found[">>ron<<"] + "\n"
    for more, said in {
        (): "the language to translate into is missing: --to one of fra, ron, zh_Hans, zh_Hant",
        ("--to", "zh"): "zh: means several of them: >>zh_Hans<<, >>zh_Hant<<",
        ("--to", "de"): "de: is none of the languages that the checkpoint knows: >>fra<<, >>ron<<, >>zh",
    }.items():
        status, _, error = ask("run", "translate", text, "--model", folder, *more)
        assert status == 2 and error.startswith(f"unimodal: translate: {said}") and error.count("\n") == 1


@pytest.fixture
def m2m100(save: Save, sentence_pieces: Path, scored_pieces: list[tuple[str, float]], tmp_path: Path) -> Path:
    from transformers import M2M100Tokenizer
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *(piece for piece, _ in scored_pieces)]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}))
    codes = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]  # as the released files hold them
    tokenizer = M2M100Tokenizer(str(tmp_path / "vocab.json"), str(sentence_pieces), additional_special_tokens=codes)
    size = len(vocabulary) + 108
    special = {"decoder_start_token_id": 2, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0}
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=size, **BODY, **special))
    return save(model, tokenizer, max_length=20, num_beams=2)


def test_m2m100_is_told_both_languages(ask: Ask, m2m100: Path, text: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(m2m100)
    expected = theirs(m2m100, SENTENCE, source="fr", forced_bos_token_id=tokenizer.get_lang_id("zh"))
    assert expected
    said = ask("run", "translate", text, "--model", m2m100, "--from", "fr", "--to", "chinese")
    assert said == (0, f"{expected}\n", said[2])
    other = theirs(m2m100, SENTENCE, source="en", forced_bos_token_id=tokenizer.get_lang_id("zh"))
    status, found, notes = ask("run", "translate", text, "--model", m2m100, "--to", "zh")
    assert (status, found) == (0, f"{other}\n") and f"{text}: taken to be en, for --from does not say" in notes
    greedy = theirs(m2m100, SENTENCE, source="en", forced_bos_token_id=tokenizer.get_lang_id("ast"), num_beams=1)
    decoding = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": 18}
    (result,) = unimodal.load(m2m100).run("translate", text, source="en", target="ast", decoding=decoding)
    assert result.text == greedy
    assert "the language to translate into is missing: --to de" in ask("run", "translate", text, "--model", m2m100)[2]


def test_nllb_is_told_languages_with_their_scripts(ask: Ask, save: Save, text: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import NllbTokenizer

    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator([SENTENCE], trainers.BpeTrainer(vocab_size=60, special_tokens=special))
    found = json.loads(trained.to_str())["model"]
    codes = ["eng_Latn", "deu_Latn", "pes_Arab", "zho_Hans", "zho_Hant"]
    merges = [tuple(merge) for merge in found["merges"]]
    tokenizer = NllbTokenizer(vocab=found["vocab"], merges=merges, extra_special_tokens=codes)
    ends = {"decoder_start_token_id": 2, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0}
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), **BODY, **ends))
    folder = save(model, tokenizer, max_length=20)
    for wanted, code in {"de": "deu_Latn", "persian": "pes_Arab", "zho_Hant": "zho_Hant"}.items():
        language = tokenizer.convert_tokens_to_ids(code)
        expected = theirs(folder, SENTENCE, source="eng_Latn", forced_bos_token_id=language)
        assert ask("run", "translate", text, "--model", folder, "--from", "en", "--to", wanted)[1] == f"{expected}\n"
    error = ask("run", "translate", text, "--model", folder, "--from", "en", "--to", "zh")[2]
    assert error == "unimodal: translate: zh: means several of them: zho_Hans, zho_Hant\n"


@pytest.mark.parametrize("kind", ["MBartTokenizer", "MBart50Tokenizer"])
def test_mbart_begins_or_is_forced(
    kind: str, ask: Ask, save: Save, scored_pieces: list[tuple[str, float]], text: Path
) -> None:
    """The older kind begins with the target's token, the newer one is made to write it first."""
    import transformers

    make = getattr(transformers, kind)
    tokenizer = make(vocab=[("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *scored_pieces])
    romanian, german = tokenizer.convert_tokens_to_ids(["ro_RO", "de_DE"])
    begins = kind == "MBartTokenizer"
    ends = {
        "pad_token_id": 1,
        "eos_token_id": 2,
        "bos_token_id": 0,
        "decoder_start_token_id": romanian if begins else 2,
    }
    model = MBartForConditionalGeneration(MBartConfig(vocab_size=len(tokenizer), **BODY, **ends))
    folder = save(model, tokenizer, max_length=20, num_beams=2)
    option = {"decoder_start_token_id" if begins else "forced_bos_token_id": german}
    expected = theirs(folder, SENTENCE, source="en_XX", **option)
    assert expected
    assert ask("run", "translate", text, "--model", folder, "--from", "en", "--to", "de")[1] == f"{expected}\n"
    status, said, error = ask("run", "translate", text, "--model", folder, "--from", "en")
    if begins:
        assert said == theirs(folder, SENTENCE, source="en_XX") + "\n"
    else:
        assert (status, error) == (2, "unimodal: translate: the language to translate into is missing: --to de\n")
