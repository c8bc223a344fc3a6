"""Summaries, answers and continuations: prompts and settings as the checkpoints have them, and mistakes in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

import unimodal

Ask = Callable[..., tuple[int, str, str]]
Save = Callable[..., Path]
SENTENCE = "The lines are wrapped into a paragraph."
SUMMARY = {"max_length": 14, "min_length": 5, "num_beams": 4, "length_penalty": 2.0, "no_repeat_ngram_size": 3}


@pytest.fixture
def words() -> PreTrainedTokenizerFast:
    """A trained byte-level tokenizer whose sentences stand between <s> and </s>, as BART's."""
    import inspect
    import textwrap

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet)
    trained.train_from_iterator([inspect.getsource(textwrap)], trainer)
    trained.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=trained, model_max_length=60, **names)


@pytest.fixture
def bart(save: Save, words: PreTrainedTokenizerFast) -> Path:
    config = BartConfig(
        vocab_size=len(words),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=40,
    )
    return save(
        BartForConditionalGeneration(config), words, config={"task_specific_params": {"summarization": SUMMARY}}
    )


@pytest.fixture
def t5(save: Save, scored_pieces: list[tuple[str, float]]) -> Path:
    from transformers import T5Tokenizer

    tokenizer = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *scored_pieces], extra_ids=0)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return save(T5ForConditionalGeneration(config), tokenizer, config={"n_positions": 60}, max_length=12)


def theirs(folder: Path, text: str, **options: object) -> tuple[str, float]:
    """(the answer of transformers' own tokenizer and model, the mean log-probability of its tokens)."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    inputs = tokenizer(text, return_tensors="pt")
    ids = model.generate(**inputs, **options)
    with torch.no_grad():
        scores = model(**inputs, decoder_input_ids=ids[:, :-1]).logits.log_softmax(-1)
    mean = float(scores.gather(2, ids[:, 1:, None]).mean())
    return tokenizer.decode(ids[0], skip_special_tokens=True).strip(), mean


def test_bart_summarises_with_the_settings_of_its_config(ask: Ask, bart: Path, text: Path) -> None:
    expected, _ = theirs(bart, SENTENCE, **SUMMARY)
    assert expected
    assert ask("run", "summarise", text, "--model", bart)[:2] == (0, f"{expected}\n")
    plain, _ = theirs(bart, SENTENCE, max_new_tokens=39)
    assert unimodal.load(bart).run("complete", text)[0].text == plain


def test_t5_summarises_behind_its_published_prefix(ask: Ask, t5: Path, text: Path) -> None:
    expected, score = theirs(t5, f"summarize: {SENTENCE}")
    status, said, _ = ask("run", "summarise", text, "--model", t5, "--json")
    row = json.loads(said)
    assert (status, row["text"], row["task"]) == (0, expected, "summarise")
    assert row["score"] == pytest.approx(score, abs=1e-3)


def test_summaries_of_pieces_follow_each_other(ask: Ask, t5: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.txt"
    long.write_text("\n".join([SENTENCE, "Text is filled with words that are long."] * 3))
    (result,) = unimodal.load(t5).run("summarise", long)
    pieces = int(result.notes[0].split()[2])
    assert pieces > 1 and result.notes[0].endswith("for the checkpoint reads 60 tokens at once")
    tokenizer = AutoTokenizer.from_pretrained(t5)
    assert all(len(tokenizer(f"summarize: {line}")["input_ids"]) <= 60 for line in long.read_text().splitlines())
    status, said, notes = ask("run", "summarise", long, "--model", t5)
    assert (status, said) == (0, f"{result.text}\n") and f"read in {pieces} pieces" in notes


def test_t5_answers_about_a_file(ask: Ask, t5: Path, text: Path) -> None:
    question = "what is wrapped?"
    expected, _ = theirs(t5, f"question: {question} context: {SENTENCE}")
    assert ask("run", "answer", text, "--model", t5, "--prompt", question)[:2] == (0, f"{expected}\n")


def test_of_a_long_file_the_likeliest_answer_is_given(ask: Ask, t5: Path, tmp_path: Path) -> None:
    sentences = [f"{SENTENCE} {word} text is filled, and it is not broken." for word in ("Long", "Short", "Other")]
    long = tmp_path / "long.txt"
    long.write_text("\n".join(sentences))
    (result,) = unimodal.load(t5).run("answer", long, prompt="what?")
    found = [theirs(t5, f"question: what? context: {piece}") for piece in sentences]
    count = int(result.notes[0].split()[2])
    if count == len(sentences):
        assert result.text == max(found, key=lambda answer: answer[1])[0]
    assert count > 1


def test_a_decoder_alone_goes_on_with_a_text(ask: Ask, save: Save, words: PreTrainedTokenizerFast, text: Path) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": None}
    config = LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **sizes, **ends)
    words._tokenizer.post_processor = None  # nothing ends what is gone on with
    folder = save(LlamaForCausalLM(config), words)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    inputs = tokenizer(SENTENCE, return_tensors="pt")
    ids = model.generate(input_ids=inputs["input_ids"], max_new_tokens=8)[0, inputs["input_ids"].shape[1] :]
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, "max_new_tokens": 8}))
    expected = tokenizer.decode(ids, skip_special_tokens=True).strip()
    status, said, _ = ask("run", "complete", text, "--prompt", "A text", "--model", folder)
    assert status == 0 and said.splitlines()[0] == f"{text}: {expected}".rstrip()
    status, _, error = ask("run", "complete", "--prompt", "word " * 80, "--model", folder)
    assert status == 2 and "prompt: has " in error and "and the checkpoint reads 60 at once" in error


def test_what_a_checkpoint_does_is_listed(ask: Ask, t5: Path, tmp_path: Path) -> None:
    status, said, _ = ask("tasks", "--model", t5)
    names = [line.split()[0] for line in said.splitlines()]
    assert (status, names) == (0, ["translate", "summarise", "answer", "complete"])
    assert "text -> text: Answers a question about a text;" in said
    unimodal.load(t5).save_pretrained(tmp_path / "ours")
    assert ask("tasks", "--model", tmp_path / "ours")[1] == said


def test_mistakes_are_one_line(ask: Ask, t5: Path, text: Path, tmp_path: Path) -> None:
    model = ["--model", t5]
    for arguments, expected in {
        ("asr", text): "asr: is no task of this t5 checkpoint; it does translate, summarise, answer, complete",
        ("translat", text): "unknown task 'translat'; did you mean 'translate'?",
        ("translate", text): "translate: the language to translate into is missing: --to de",
        ("translate", text, "--to", "xx"): "translate: xx: is no language that is known here by name",
        ("summarise", text, "--to", "de"): "--to: is no option of summarise with a t5 checkpoint",
        ("summarise", text, "--timestamps"): "--timestamps: is no option of summarise with a t5 checkpoint",
        ("summarise",): "there is nothing to read: give a text file or a prompt",
        ("answer", text): "prompt: the question about the text is missing",
        ("answer", "--prompt", "what?"): "there is nothing to read: give a text file that the question is about",
        ("summarise", tmp_path / "no.txt"): f"{tmp_path / 'no.txt'}: no such file",
    }.items():
        assert ask("run", *arguments, *model) == (2, "", f"unimodal: {expected}\n")
    file = t5 / "config.json"
    whole = file.read_text()
    for settings in ([1], {"summarization": 3}, {"summarization": {"prefix": 3}}):
        file.write_text(json.dumps({**json.loads(whole), "task_specific_params": settings}))
        status, _, error = ask("run", "summarise", text, *model)
        assert status == 2 and error.startswith(f"unimodal: summarise: {t5}: task_specific_params: expected settings")
    file.write_text(whole)
    (t5 / "tokenizer.json").unlink()
    status, said, error = ask("run", "summarise", text, *model)
    assert (status, said) == (2, "") and error.startswith(f"unimodal: {t5}: holds no tokenizer (tokenizer.json")
    (t5 / "tokenizer.json").write_text("{}")
    status, _, error = ask("run", "summarise", text, *model)
    assert status == 2 and "its tokenizer cannot be read (" in error and error.count("\n") == 1


def test_a_checkpoint_without_a_task_says_so(ask: Ask, save: Save, text: Path) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    folder = save(BertModel(BertConfig(vocab_size=30, **sizes)))
    error = ask("run", "summarise", text, "--model", folder)[2]
    assert error == "unimodal: summarise: is no task of this bert checkpoint; there is no task for it\n"
    assert (
        ask("tasks", "--model", folder)[2]
        == f"unimodal: {folder}: there is no task for a checkpoint like this (bert)\n"
    )
