"""Whisper and SpeechT5 through the command: what transformers' own extractors, models and tokenizers give."""

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    SpeechT5Config,
    SpeechT5FeatureExtractor,
    SpeechT5ForSpeechToSpeech,
    SpeechT5ForSpeechToText,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    SpeechT5Tokenizer,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

import unimodal

Ask = Callable[..., tuple[int, str, str]]
Save = Callable[..., Path]
RATE = 16_000
LANGUAGES, ENTRIES = ("en", "de", "fr"), 50
"""A window of the tiny model is a second."""


def write_wav(path: Path, seconds: float) -> Path:
    rng = np.random.default_rng(3)
    moments = np.arange(int(seconds * RATE)) / RATE
    samples = 6000 * np.sin(2 * np.pi * 300 * moments * (1 + moments)) + 500 * rng.standard_normal(len(moments))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32_768


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "clip.wav", 0.7)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "long.wav", 2.6)


@pytest.fixture
def whisper(save: Save, tmp_path: Path) -> Callable[..., Path]:
    def make(*, multilingual: bool = True) -> Path:
        from tokenizers import pre_tokenizers

        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokens = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in LANGUAGES)]
        tokens += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
        tokens += ["<|notimestamps|>", *(f"<|{0.02 * i:.2f}|>" for i in range(ENTRIES + 1))]
        vocabulary = {letter: i for i, letter in enumerate(letters)}
        tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=tokens[1:11])
        tokenizer.add_tokens(tokens[11:])
        number = {token: tokenizer.convert_tokens_to_ids(token) for token in tokens}
        end = number["<|endoftext|>"]
        config = WhisperConfig(
            vocab_size=max(number.values()) + 1,
            num_mel_bins=80,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_source_positions=ENTRIES,
            max_target_positions=32,
            pad_token_id=end,
            bos_token_id=end,
            eos_token_id=end,
            decoder_start_token_id=number["<|startoftranscript|>"],
            begin_suppress_tokens=None,
        )
        generation: dict[str, Any] = {
            "decoder_start_token_id": number["<|startoftranscript|>"],
            "no_timestamps_token_id": number["<|notimestamps|>"],
            "prev_sot_token_id": number["<|startofprev|>"],
            "suppress_tokens": [number[token] for token in tokens[1:10]],
            "max_initial_timestamp_index": 5,
            "max_length": 32,
            "is_multilingual": multilingual,
            "return_timestamps": False,
        }
        if multilingual:
            generation["lang_to_id"] = {f"<|{name}|>": number[f"<|{name}|>"] for name in LANGUAGES}
            generation["task_to_id"] = {name: number[f"<|{name}|>"] for name in ("translate", "transcribe")}
        extractor = WhisperFeatureExtractor(chunk_length=ENTRIES // 50)
        return save(WhisperForConditionalGeneration(config), tokenizer, extractor, **generation)

    return make


def heard_by_theirs(folder: Path, file: Path, **options: Any) -> tuple[str, list[dict[str, Any]]]:
    extractor, tokenizer = WhisperFeatureExtractor.from_pretrained(folder), WhisperTokenizer.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    short = len(samples_of(file)) <= RATE * ENTRIES // 50
    padding = {} if short else {"truncation": False, "padding": "longest", "return_attention_mask": True}
    inputs = extractor(samples_of(file), sampling_rate=RATE, return_tensors="pt", **padding)
    options = {**options, "return_timestamps": options.get("return_timestamps", not short)}
    found = model.generate(**inputs, **options, return_segments=True)
    (segments,) = found["segments"]
    tokens = [int(token) for segment in segments for token in segment["tokens"]]
    return tokenizer.decode(tokens, skip_special_tokens=True).strip(), segments


@pytest.mark.parametrize("which", ["clip", "long"])
def test_whisper_transcribes_and_translates(
    which: str, ask: Ask, whisper: Callable[..., Path], request: pytest.FixtureRequest
) -> None:
    folder, file = whisper(), request.getfixturevalue(which)
    for name, token in {"asr": "transcribe", "speech_translation": "translate"}.items():
        expected, _ = heard_by_theirs(folder, file, task=token)
        assert ask("run", name, file, "--model", folder)[:2] == (0, f"{expected}\n")
        expected, _ = heard_by_theirs(folder, file, task=token, language="de")
        assert ask("run", name, file, "--model", folder, "--from", "German")[:2] == (0, f"{expected}\n")


def test_whisper_says_when(ask: Ask, whisper: Callable[..., Path], long: Path) -> None:
    folder = whisper()
    _, segments = heard_by_theirs(folder, long, task="transcribe", language="en")
    status, said, _ = ask("run", "asr", long, "--model", folder, "--from", "en", "--timestamps", "--json")
    row = json.loads(said)
    passages = row["value"]["passages"]
    assert status == 0 and [passage["start"] for passage in passages] == pytest.approx(
        [float(segment["start"]) for segment in segments]
    )
    plain = ask("run", "asr", long, "--model", folder, "--from", "en", "--timestamps")[1].splitlines()
    assert plain[0].startswith("[00:00.") and len(plain) == len(passages)


def test_what_is_beside_a_recording_changes_nothing(whisper: Callable[..., Path], clip: Path, long: Path) -> None:
    model = unimodal.load(whisper())
    together = model.run("asr", clip, long, clip, source="fr")
    alone = [model.run("asr", file, source="fr")[0] for file in (clip, long)]
    assert [result.tokens for result in together] == [alone[0].tokens, alone[1].tokens, alone[0].tokens]


def test_whisper_of_english_alone(ask: Ask, whisper: Callable[..., Path], clip: Path) -> None:
    folder = whisper(multilingual=False)
    expected, _ = heard_by_theirs(folder, clip)
    assert ask("run", "asr", clip, "--model", folder, "--from", "en")[1] == f"{expected}\n"
    error = ask("run", "asr", clip, "--model", folder, "--from", "de")[2]
    assert error == "unimodal: asr: --from de: the checkpoint knows English only\n"
    error = ask("run", "speech_translation", clip, "--model", folder)[2]
    expected = "the checkpoint transcribes only: its generation config has no task_to_id"
    assert error == f"unimodal: speech_translation: {expected}\n"


def test_mistakes_about_speech_are_one_line(ask: Ask, whisper: Callable[..., Path], clip: Path) -> None:
    folder = whisper()
    for arguments, said in {
        ("asr", clip, "--from", "it"): "asr: language: 'it' is none of those that the checkpoint knows: de, en, fr",
        ("asr", folder): f"{folder}: is a folder",
        ("asr", clip, "--prompt", "x"): "prompt: the task asr reads files only",
        ("asr", clip, "--to", "de"): "--to: is no option of asr with a whisper checkpoint",
        ("tts", clip): "tts: is no task of this whisper checkpoint; it does asr, speech_translation",
    }.items():
        assert ask("run", *arguments, "--model", folder) == (2, "", f"unimodal: {said}\n")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "hop_length": 320}))
    error = ask("run", "asr", clip, "--model", folder)[2]
    assert error == f"unimodal: asr: {file}: hop_length: is 320, and sound is heard with 160 here\n"


SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "conv_dim": [6] * 7,
    "num_conv_pos_embeddings": 6,
    "num_conv_pos_embedding_groups": 4,
    "speaker_embedding_dim": 8,
    "speech_decoder_prenet_units": 12,
    "speech_decoder_postnet_units": 10,
    "max_text_positions": 60,
}


@pytest.fixture
def characters(tmp_path: Path) -> SpeechT5Tokenizer:
    import sentencepiece

    text = tmp_path / "letters.txt"
    text.write_text("the lines are wrapped into a paragraph\nTHE. Quick, brown fox jumps over lazy dogs!\n" * 5)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(tmp_path / "letters"),
        model_type="char",
        vocab_size=48,
        hard_vocab_limit=False,
        minloglevel=2,
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
    )
    return SpeechT5Tokenizer(str(tmp_path / "letters.model"))


def test_speecht5_transcribes(ask: Ask, save: Save, characters: SpeechT5Tokenizer, clip: Path) -> None:
    model = SpeechT5ForSpeechToText(SpeechT5Config(vocab_size=len(characters), **SIZES))
    extractor = SpeechT5FeatureExtractor(do_normalize=True)
    folder = save(model, characters, extractor, max_length=20, num_beams=2)
    inputs = extractor(audio=samples_of(clip), sampling_rate=RATE, return_tensors="pt")
    theirs = SpeechT5ForSpeechToText.from_pretrained(folder)
    expected = characters.decode(theirs.generate(inputs["input_values"])[0], skip_special_tokens=True).strip()
    assert ask("run", "asr", clip, "--model", folder)[:2] == (0, f"{expected}\n")
    assert [line.split()[0] for line in ask("tasks", "--model", folder)[1].splitlines()] == ["asr"]


def test_speecht5_hears_long_recordings_in_windows(
    ask: Ask, save: Save, characters: SpeechT5Tokenizer, tmp_path: Path
) -> None:
    model = SpeechT5ForSpeechToText(SpeechT5Config(vocab_size=len(characters), **SIZES))
    folder = save(model, characters, SpeechT5FeatureExtractor(), max_length=8, num_beams=1)
    long = write_wav(tmp_path / "long.wav", 5.0)
    status, said, _ = ask("run", "asr", long, "--json", "--chunk-length-s", 2, "--model", folder)
    row = json.loads(said)
    passages = row["passages"]
    assert status == 0 and (passages[0]["start"], passages[-1]["end"]) == (0, 5) and len(passages) in range(3, 6)
    assert row["text"] == " ".join(passage["text"] for passage in passages if passage["text"])
    theirs = SpeechT5ForSpeechToText.from_pretrained(folder)
    for passage in passages:
        samples = samples_of(long)[round(RATE * passage["start"]) : round(RATE * passage["end"])]
        written = theirs.generate(torch.from_numpy(samples)[None])[0]
        assert characters.decode(written, skip_special_tokens=True).strip() == passage["text"]


@pytest.fixture
def speaking(save: Save, characters: SpeechT5Tokenizer) -> Path:
    config = SpeechT5Config(vocab_size=len(characters), reduction_factor=2, **SIZES)
    return save(SpeechT5ForTextToSpeech(config), characters)


def test_speecht5_speaks_in_a_voice_through_a_vocoder(
    ask: Ask, speaking: Path, text: Path, tmp_path: Path, characters: SpeechT5Tokenizer
) -> None:
    voice = torch.randn(8)
    np.save(tmp_path / "voice.npy", voice[None].numpy())
    rates = {"upsample_rates": [4, 4, 4, 4], "upsample_kernel_sizes": [8, 8, 8, 8], "upsample_initial_channel": 16}
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**rates))
    vocoder.save_pretrained(tmp_path / "vocoder")
    options = ["--voice", tmp_path / "voice.npy", "--vocoder", tmp_path / "vocoder", "--out", tmp_path / "o.wav"]
    status, said, notes = ask("run", "tts", text, "--model", speaking, *options)
    assert (status, said, notes) == (0, f"{tmp_path / 'o.wav'}\n", "")
    ids = torch.tensor([characters("The lines are wrapped into a paragraph.")["input_ids"]])
    torch.manual_seed(0)
    theirs = SpeechT5ForTextToSpeech.from_pretrained(speaking)
    expected = theirs.generate_speech(ids, voice[None], vocoder=vocoder).detach().numpy()
    assert samples_of(tmp_path / "o.wav") == pytest.approx(expected, abs=1e-3)


def test_speecht5_changes_a_voice(ask: Ask, save: Save, characters: SpeechT5Tokenizer, clip: Path) -> None:
    voice = torch.randn(8)
    folder = save(SpeechT5ForSpeechToSpeech(SpeechT5Config(reduction_factor=2, **SIZES)), SpeechT5FeatureExtractor())
    np.save(folder / "voice.npy", voice.numpy())
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(upsample_initial_channel=16))
    vocoder.save_pretrained(folder / "vocoder")
    out = clip.with_suffix(".changed.wav")
    options = ["--voice", folder / "voice.npy", "--vocoder", folder / "vocoder", "--out", out]
    assert ask("run", "vc", clip, "--model", folder, *options) == (0, f"{out}\n", "")
    torch.manual_seed(0)
    theirs = SpeechT5ForSpeechToSpeech.from_pretrained(folder)
    expected = theirs.generate_speech(torch.tensor(samples_of(clip))[None], voice[None], vocoder=vocoder).detach()
    assert samples_of(out) == pytest.approx(expected.numpy(), abs=1e-3)
    assert [line.split()[0] for line in ask("tasks", "--model", folder)[1].splitlines()] == ["vc"]
    status, said, error = ask("run", "vc", clip, "--model", folder, "--voice", clip)
    assert (status, said) == (2, "")
    assert error == (f"unimodal: vc: {clip}: of a recording 256 numbers are made, and here a voice is 8; give those\n")


def test_without_voice_and_vocoder_it_speaks_and_says_so(ask: Ask, speaking: Path, text: Path) -> None:
    status, said, notes = ask("run", "tts", text, "--model", speaking)
    assert (status, said) == (0, f"{text}.wav\n")
    assert notes == f"unimodal: {text}: said in nobody's voice (zeros), for --voice gives no 8 numbers\n"
    sound = samples_of(Path(f"{text}.wav"))
    assert len(sound) > 0 and np.abs(sound).max() <= 1
    text.write_text(text.read_text() * 4)
    assert (
        "read in 4 pieces, for the checkpoint reads 60 tokens at once"
        in ask("run", "tts", text, "--model", speaking)[2]
    )
    assert len(samples_of(Path(f"{text}.wav"))) > 3 * len(sound)


def test_a_voice_is_numbers_and_nothing_else(ask: Ask, speaking: Path, text: Path, tmp_path: Path) -> None:
    file = tmp_path / "voice.npy"

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    for array, expected in [
        (np.zeros(7, np.float32), "a voice is 8 numbers, not 7"),
        (np.full(8, np.nan), "a voice is a row of finite numbers, not (8,)"),
        (np.array([Harm()], dtype=object), "holds no single array of numbers"),
        (np.array(["a"] * 8), "holds no single array of numbers"),
    ]:
        np.save(file, array)
        status, said, error = ask("run", "tts", text, "--model", speaking, "--voice", file)
        assert (status, said, error) == (2, "", f"unimodal: tts: {file}: {expected}\n")
    assert not (tmp_path / "harm").exists()
    error = ask("run", "tts", text, "--model", speaking, "--vocoder", speaking)[2]
    assert error == f"unimodal: tts: {speaking}: is no vocoder\n"
    vocoder = tmp_path / "vocoder"
    SpeechT5HifiGan(SpeechT5HifiGanConfig(upsample_initial_channel=16, sampling_rate=22_050)).save_pretrained(vocoder)
    error = ask("run", "tts", text, "--model", speaking, "--vocoder", vocoder)[2]
    assert error == f"unimodal: tts: {vocoder}: makes sound at 22050 Hz, and frames are for 16000 Hz\n"
    error = ask("run", "tts", text, "--model", vocoder)[2]
    assert error == f"unimodal: {vocoder}: is a vocoder, which makes sound of what another model says\n"
