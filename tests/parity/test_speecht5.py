"""What is SpeechT5's own: speech that is generated, its losses, older spellings, and settings that ours lack."""

import pytest
import torch
from transformers import SpeechT5Config, SpeechT5HifiGan, SpeechT5HifiGanConfig

import unimodal
from tests.parity.case import mask
from tests.parity.cases import CASES
from tests.parity.cases.speecht5 import BANDS, VOICE_DIM, read_text, voices, waves
from tests.parity.test_parity import converted
from unimodal.config import UnimodalConfig
from unimodal.conversions.speecht5 import SpeechT5
from unimodal.model import UnimodalForConditionalGeneration

BY_NAME = {case.name.removeprefix("speecht5_"): case for case in CASES if case.name.startswith("speecht5_")}
SPEAKING = {"text_to_speech": read_text, "speech_to_speech": waves}
speaking = pytest.mark.parametrize("name", SPEAKING)


def both(name):
    theirs, config = BY_NAME[name].make()
    return theirs, converted(theirs.state_dict(), config)


def close(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)


def spoken(model, inputs, **options):
    """From the same seed: the dropout that acts in inference draws the same numbers on both sides."""
    torch.manual_seed(11)
    source = inputs.get("input_ids", inputs.get("input_values"))
    return model.generate_speech(source, attention_mask=inputs["attention_mask"], **options)


def sure_to_end_somewhere(theirs):
    """Stops whose probabilities move around a threshold of 1, so that rows end at steps of their own."""
    theirs.speech_decoder_postnet.prob_out.weight.data *= 3
    return theirs


@pytest.mark.parametrize(("name", "seed", "threshold"), [("text_to_speech", 2, 1.2), ("speech_to_speech", 0, 1.0)])
def test_rows_end_where_theirs_do(name, seed, threshold):
    """Weights with which the rows of one batch end at different steps, before the limit."""
    torch.manual_seed(seed)
    theirs, config = BY_NAME[name].make()
    ours = converted(sure_to_end_somewhere(theirs).state_dict(), config)
    inputs = SPEAKING[name]()
    asked = {"speaker_embeddings": voices(), "threshold": threshold, "maxlenratio": 4.0, "return_output_lengths": True}
    expected, lengths = spoken(theirs, inputs, **asked)
    found, our_lengths = spoken(ours, inputs, **asked)
    assert our_lengths == lengths and len(set(lengths) - {13 * 4}) > 1
    close(found, expected)


@speaking
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"threshold": 1.6, "maxlenratio": 8.0},
        {"threshold": 1.2, "minlenratio": 2.0, "maxlenratio": 6.0},
        {"maxlenratio": 0.0},
    ],
    ids=str,
)
def test_the_same_speech_is_generated(name, limits):
    theirs, config = BY_NAME[name].make()
    ours = converted(sure_to_end_somewhere(theirs).state_dict(), config)
    inputs, asked = SPEAKING[name](), {"speaker_embeddings": voices(), "return_output_lengths": True, **limits}
    expected, lengths = spoken(theirs, inputs, **asked)
    found, our_lengths = spoken(ours, inputs, **asked)
    assert our_lengths == lengths
    close(found, expected)


@speaking
def test_one_row_alone_and_a_vocoder(name):
    theirs, ours = both(name)
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(model_in_dim=BANDS, upsample_initial_channel=16)).eval()
    inputs = {key: value[:1, :2000] for key, value in SPEAKING[name]().items()}
    options = {"speaker_embeddings": torch.randn(1, VOICE_DIM), "maxlenratio": 3.0, "threshold": 9.0}
    assert spoken(ours, inputs, **options).ndim == 2
    close(spoken(ours, inputs, **options), spoken(theirs, inputs, **options))
    sound = spoken(ours, inputs, vocoder=vocoder, **options)
    assert sound.ndim == 1
    close(sound, spoken(theirs, inputs, vocoder=vocoder, **options))
    several = {"vocoder": vocoder, "return_output_lengths": True, **options, "speaker_embeddings": voices()}
    expected, lengths = spoken(theirs, SPEAKING[name](), **several)
    found, our_lengths = spoken(ours, SPEAKING[name](), **several)
    close(found, expected)
    assert our_lengths == lengths


def test_a_row_is_spoken_as_it_is_alone():
    theirs, config = BY_NAME["text_to_speech"].make()
    ours = converted(sure_to_end_somewhere(theirs).state_dict(), config)
    inputs, voice = read_text(), voices()
    together, lengths = spoken(ours, inputs, speaker_embeddings=voice, return_output_lengths=True, maxlenratio=4.0)
    alone = {key: value[1:2, :5] for key, value in inputs.items()}
    frames = spoken(ours, alone, speaker_embeddings=voice[1:2], maxlenratio=4.0 * 13 / 5)
    close(together[1, : lengths[1]], frames)


def test_generate_speaks_where_a_voice_is_given():
    theirs, ours = both("text_to_speech")
    given = {**read_text(), "speaker_embeddings": voices(), "maxlenratio": 3.0, "threshold": 1.5}
    answers = []
    for model in (theirs, ours):
        torch.manual_seed(2)
        answers.append(model.generate(**given))
    close(answers[1], answers[0])


def test_padding_of_text_is_known_without_a_mask():
    _, ours = both("text_to_speech")
    inputs, voice = read_text(), voices()
    inputs["input_ids"] = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, ours.boundaries.pad)
    expected = spoken(ours, inputs, speaker_embeddings=voice, maxlenratio=2.0)
    close(spoken(ours, {**inputs, "attention_mask": None}, speaker_embeddings=voice, maxlenratio=2.0), expected)


def test_text_needs_a_voice_and_speech_does_not():
    _, ours = both("text_to_speech")
    with pytest.raises(ValueError, match="^speaker_embeddings: text is spoken in somebody's voice"):
        spoken(ours, read_text())
    with pytest.raises(ValueError, match="^speaker_embeddings: are 3 x 7 .*, not 2 x 7"):
        spoken(ours, read_text(), speaker_embeddings=torch.randn(2, VOICE_DIM))
    with pytest.raises(ValueError, match="^input_values: 399 samples are too few"):
        both("speech_to_speech")[1].generate_speech(torch.randn(1, 399), torch.randn(1, VOICE_DIM))
    with pytest.raises(ValueError, match="^generate_speech: the model writes no speech"):
        spoken(both("speech_to_text")[1], waves())


def labels(reduction):
    lengths = mask([3 * reduction, 8 * reduction, 2 * reduction])
    return torch.randn(*lengths.shape, BANDS).masked_fill(lengths[..., None] == 0, -100.0)


@pytest.mark.parametrize("guided", [True, False])
def test_the_loss_of_speech(guided):
    theirs, config = BY_NAME["text_to_speech"].make()
    theirs.config.use_guided_attention_loss = config["use_guided_attention_loss"] = guided
    ours = converted(theirs.state_dict(), config)
    given = {**read_text(), "labels": labels(3), "speaker_embeddings": voices()}
    answers = []
    for model in (theirs, ours):
        torch.manual_seed(3)
        answers.append(model(**given))
    expected, found = answers
    close(found.loss, expected.loss)
    close(found.spectrogram, expected.spectrogram)
    expected.loss.backward()
    found.loss.backward()
    pairs = [
        (theirs.speech_decoder_postnet.prob_out.weight, ours.postnet("mel").stop.weight),
        (theirs.speecht5.encoder.prenet.embed_tokens.weight, ours.embedding.weight),
    ]
    for their_weight, our_weight in pairs:
        close(our_weight.grad, their_weight.grad)


def test_labels_that_do_not_fit_are_named():
    _, ours = both("text_to_speech")
    with pytest.raises(ValueError, match="^labels: are a multiple of 3 frames x 6 bands a row, not 4 x 6"):
        ours(**read_text(), labels=torch.randn(3, 4, BANDS), speaker_embeddings=voices())


def test_the_loss_of_text():
    theirs, ours = both("speech_to_text")
    asked = torch.randint(4, 61, (3, 9)).masked_fill(mask([9, 4, 1]) == 0, -100)
    ours.generation_config = theirs.generation_config  # it names the token that the decoder reads first
    given = {**waves(), "labels": asked}
    close(ours(**given).loss, theirs(**given).loss)


def test_files_as_they_were_released_are_read():
    """Weight normalisation under its older names, and tables of sinusoids."""
    theirs, config = BY_NAME["speech_to_text"].make()
    older = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in theirs.state_dict().items()
    }
    older["speecht5.encoder.prenet.pos_sinusoidal_embed.weights"] = torch.randn(9, 16)
    older["speecht5.decoder.prenet.embed_positions.weights"] = torch.randn(9, 16)
    assert sum(name.endswith(("weight_g", "weight_v")) for name in older) == 2
    expected, found = (converted(states, config).state_dict() for states in (theirs.state_dict(), older))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("speech_to_text", {"architectures": ["SpeechT5Model"]}, "architectures: SpeechT5 is converted as one of"),
        ("speech_to_text", {"feat_extract_norm": "layer"}, "feat_extract_norm: .* with 'group', not 'layer'"),
        ("speech_to_text", {"pad_token_id": 0}, "pad_token_id: "),
        ("speech_to_text", {"hidden_act": "selu"}, "hidden_act: 'selu'"),
        ("speech_to_speech", {"mask_feature_prob": 0.1}, "mask_feature_prob: .* with 0, not 0.1"),
        ("text_to_speech", {"speech_decoder_prenet_dropout": 0.3}, "speech_decoder_prenet_dropout: .* with 0.5"),
    ],
)
def test_a_setting_that_ours_lack_is_named(name, changes, message):
    _, config = BY_NAME[name].make()
    with pytest.raises(ValueError, match=f"^{message}"):
        SpeechT5().config({**config, **changes})


def test_text_becomes_sound_from_folders(tmp_path):
    """Both models by `load`, in 16 bits: batch norm counts on in whole numbers."""
    BY_NAME["text_to_speech"].save(tmp_path / "speaker")
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(model_in_dim=BANDS, upsample_initial_channel=16))
    vocoder.save_pretrained(tmp_path / "vocoder")
    speaker = unimodal.load(tmp_path / "speaker", dtype=torch.bfloat16)
    assert speaker.model.postnet("mel").refinement.norms[0].num_batches_tracked.dtype == torch.long
    inputs = {name: value[:1] for name, value in read_text().items()}
    given = {"speaker_embeddings": torch.randn(1, VOICE_DIM), "maxlenratio": 3.0}
    sound = speaker.generate(**inputs, **given, vocoder=unimodal.load(tmp_path / "vocoder", dtype=torch.bfloat16))
    assert sound.dtype == torch.bfloat16 and sound.ndim == 1 and len(sound) % 256 == 0
    assert sound.isfinite().all()


def test_released_configs_are_read():
    """What microsoft/speecht5_asr, _tts, _vc and _hifigan say, where it is not transformers' default."""
    for architecture in ("SpeechToText", "TextToSpeech", "SpeechToSpeech"):
        released = {
            "model_type": "speecht5",
            "architectures": [f"SpeechT5For{architecture}"],
            "max_length": 1876,
            "max_speech_positions": 1876,
            "max_text_positions": 600,
            "num_feat_extract_layers": 7,
            "torch_dtype": "float32",
            "transformers_version": "4.27.0.dev0",
        }
        theirs = {**SpeechT5Config().to_dict(), **released}
        with torch.device("meta"):
            model = UnimodalForConditionalGeneration(UnimodalConfig(spec=SpeechT5().config(theirs)))
        assert {*model.state_dict()} == {*SpeechT5().keys(theirs).ours.values(), *SpeechT5().keys(theirs).absent}
        assert 140e6 < sum(weight.numel() for weight in model.parameters()) < 160e6
