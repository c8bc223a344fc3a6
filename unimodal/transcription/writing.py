"""Writes what is said in windows: encoder once, decoder at one temperature after another until the text is good.

b rows, f mel bands, w frames of a window
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import GenerationConfig

from unimodal.batching import begin_rows, token_piece
from unimodal.caches.once import Once
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.decoding.generation_config import GenerationRequest, Told
from unimodal.generators import Asked
from unimodal.guides import NOTHING
from unimodal.guides.timestamps import TimestampGuide
from unimodal.hidden import Memory
from unimodal.layout import stack_ragged
from unimodal.samplers import Hypothesis
from unimodal.transcription.options import TranscriptionOptions
from unimodal.transcription.quality import Attempt, is_poor, is_silence
from unimodal.transcription.tokens import SpecialTokens

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

Memories = Mapping[str, Memory]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class WindowWriter:
    """One call's model and wishes; windows and prompts come and go."""

    model: "UnimodalForConditionalGeneration"
    window: int
    """Frames that the encoder reads at once."""
    longest: int
    """Tokens that the decoder reads at most."""
    tokens: SpecialTokens
    options: TranscriptionOptions
    config: GenerationConfig | None
    """Over the model's own."""
    choices: Mapping[str, Any]
    """Fields of a generation config, over both."""
    fields: Mapping[str, Any]
    """What all three say together, a checkpoint's own fields among it."""

    @classmethod
    def of(cls, model: "UnimodalForConditionalGeneration", asked: Asked, *, frames: int) -> "WindowWriter":
        """For a call whose longest row has so many frames. Raises ValueError for what does not go together."""
        assert model.backbone.decoder is not None, "speech is written down by a decoder"
        window, longest = model.source.window, model.backbone.decoder.position.limit
        assert window is not None and longest is not None, "the model reads no windows, or any number of tokens"
        fields = _set(vars(model.generation_config)) | ({} if asked.config is None else _set(vars(asked.config)))
        options, choices = TranscriptionOptions.take(asked.options, fields)
        fields |= _set(choices)
        if fields.get("num_return_sequences", 1) != 1:
            raise ValueError(f"num_return_sequences: speech has one transcript, not {fields['num_return_sequences']}")
        tokens = SpecialTokens.of(fields, start=model.boundaries.start)
        if frames > window:
            options = options.with_times(f"{frames} frames are more than a window of {window}")
        if options.return_timestamps and tokens.no_timestamps is None:
            raise ValueError("return_timestamps: the generation config has no no_timestamps_token_id")
        return cls(
            model=model,
            window=window,
            longest=longest,
            tokens=tokens,
            options=options,
            config=asked.config,
            choices=choices,
            fields=fields,
        )

    def read(self, windows: Float[Tensor, "b f w"]) -> Memories:
        """What the decoder hears of some windows."""
        return self.model.encode_inputs({"input_features": windows})[1]

    def languages(self, memories: Memories) -> list[int]:
        """The token of each row's likeliest language."""
        known = sorted(self.tokens.languages.values())
        rows = next(iter(memories.values())).mask.shape[0]
        best = self._logits(memories, [[self.tokens.start]] * rows)[:, known].argmax(-1)
        return [known[place] for place in best.tolist()]

    def write(self, memories: Memories, prompts: Sequence[Sequence[int]]) -> list[Attempt | None]:
        """The last attempt at each row, which is the first good one; None where nobody speaks."""
        silences = self._silences(memories, prompts)
        attempts: dict[int, Attempt] = {}
        pending = list(range(len(prompts)))
        for temperature in self.options.temperatures:
            rows = torch.tensor(pending, device=self.model.device)
            taken = {name: memory.take(rows) for name, memory in memories.items()}
            found = self._written(taken, [prompts[row] for row in pending], temperature)
            attempts |= zip(pending, found, strict=True)
            pending = [row for row in pending if self._is_rejected(attempts[row], silences[row])]
            if not pending:
                break
        return [
            None if is_silence(attempts[row], silences[row], self.options) else attempts[row]
            for row in range(len(prompts))
        ]

    def _is_rejected(self, attempt: Attempt, silence: float | None) -> bool:
        is_text = not is_silence(attempt, silence, self.options)
        return is_text and is_poor(attempt, self.options, len(self.model.vocabulary))

    def _written(self, memories: Memories, prompts: Sequence[Sequence[int]], temperature: float) -> list[Attempt]:
        decoding, penalty = self._decoding(prompts, temperature)
        start = begin_rows([token_piece(prompt) for prompt in prompts], self.model.kinds)
        found = write_tokens(self.model, Prompt(lambda model: memories, start), decoding)
        return [_attempt(best, temperature, penalty) for best, *_ in found]

    def _decoding(self, prompts: Sequence[Sequence[int]], temperature: float) -> tuple[Decoding, float]:
        """(how to decode, the power of the length by which scores are divided)."""
        begun = max(map(len, prompts))
        options = {**self.choices, "do_sample": temperature > 0, "max_new_tokens": self._limit(begun)}
        options |= {"temperature": temperature, "num_beams": 1} if temperature > 0 else {}
        own, defaults = self.model.generation_config, self.model.boundaries.defaults
        request = GenerationRequest(own, given=self.config, options=options, defaults=defaults)
        # As transformers does, padding stands on the left.
        padded = stack_ragged([torch.tensor(prompt).flip(0) for prompt in prompts], fill=NOTHING).flip(1)
        chosen = request.decoding(Told(padded, None, len(self.model.vocabulary)), limit=self.longest)
        guides = list(chosen.guides)
        if self.options.return_timestamps:
            guides.append(self._times())
        decoding = Decoding(chosen.sampler, guides=guides, cache=chosen.cache, limit=chosen.limit)
        is_ranked = temperature == 0 and self.fields.get("num_beams", 1) > 1
        return decoding, self.fields.get("length_penalty", 1.0) if is_ranked else 0.0

    def _times(self) -> TimestampGuide:
        assert self.tokens.no_timestamps is not None, "times were promised that there are no tokens for"
        latest_start = self.fields.get("max_initial_timestamp_index")
        return TimestampGuide(
            no_timestamps=self.tokens.no_timestamps, end=self.model.boundaries.ends[0], latest_start=latest_start
        )

    def _limit(self, begun: int) -> int:
        """New tokens at most: transformers counts what half of the decoder holds of the prompt as not written."""
        room = self.longest - begun
        asked, whole = self.fields.get("max_new_tokens"), self.fields.get("max_length")
        if asked is not None and asked > room:
            raise ValueError(
                f"max_new_tokens: {asked} and the {begun} tokens of the prompt are more than the {self.longest} that "
                "the decoder reads"
            )
        if asked is not None or whole is None:
            return room if asked is None else int(asked)
        return min(int(whole) + min(self.longest // 2 - 1, begun) - begun, room)

    def _silences(self, memories: Memories, prompts: Sequence[Sequence[int]]) -> list[float] | list[None]:
        """The probability that nobody speaks, at the start token of each row."""
        if self.options.no_speech_threshold is None or self.tokens.no_timestamps is None:
            return [None] * len(prompts)
        until = [prompt[: len(prompt) - prompt[::-1].index(self.tokens.start)] for prompt in map(list, prompts)]
        probabilities = self._logits(memories, until).float().softmax(-1)
        silences: list[float] = probabilities[:, self.tokens.no_timestamps - 1].tolist()
        return silences

    def _logits(self, memories: Memories, prompts: Sequence[Sequence[int]]) -> Float[Tensor, "b v"]:
        """Of the token behind each prompt."""
        target = begin_rows([token_piece(prompt) for prompt in prompts], self.model.kinds).to(self.model.device)
        hidden = self.model.decode(target, memories, Once(len(prompts), self.model.device)).last
        last = target.layout.valid.sum(1) - 1
        return self.model.logits(hidden[torch.arange(len(prompts), device=last.device), last])


def _set(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _attempt(found: Hypothesis, temperature: float, penalty: float) -> Attempt:
    length = max(len(found.tokens), 1)
    return Attempt(found.tokens, found.score * length ** (penalty - 1), temperature)
