"""The model: pre-nets, a backbone, a head and post-nets, built from one spec, as a transformers model.

b rows, t decoder entries, s encoder entries, d width, m width of a memory, c classes of a readout, v vocabulary
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, final

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel, initialization

from unimodal.batching import Batch, Sequences
from unimodal.build import build
from unimodal.caches import Cache
from unimodal.caches.once import Once
from unimodal.cascade import FIRST
from unimodal.config import Parts, UnimodalConfig
from unimodal.decoding.boundaries import Boundaries
from unimodal.decoding.generate import Decoding, decoding_of
from unimodal.decoding.speaking import SpeechLimits, Vocoder, render, source_input, speak
from unimodal.generators import Asked, Generator
from unimodal.heads import Head
from unimodal.hidden import Hidden, Memory
from unimodal.interface import ModelOutput, Side
from unimodal.layout import Layout
from unimodal.loading.folder import check_folder
from unimodal.modality import Answering, KeywordPostnet, KeywordPrenet, Postnet, Prenet
from unimodal.outputs import check_outputs, check_single, only_writer, wanted_by, write_rows
from unimodal.quantizations import Quantization
from unimodal.spec import load_spec
from unimodal.tables import TokenTable, waves
from unimodal.token_answers import TokenAnswers

Offer = Callable[[Mapping[str, Memory], Batch], Mapping[str, Memory]]
"""The encoder's memories -> what decoders read in their place."""
SMALLEST = Path(__file__).parent / "configs" / "models" / "smallest.yaml"


@dataclass(frozen=True, eq=False)
class Output:
    """All that one pass over a batch computed; losses and measurements read it."""

    encoder: Hidden | None
    decoder: Hidden | None
    memories: Mapping[str, Memory]
    cascaded: Mapping[str, Hidden] = field(default_factory=dict)
    """Of the encoders behind the first, by the memory that each makes."""

    @property
    def encoders(self) -> dict[str, Hidden]:
        """Of all encoders that have run, by the memory that each makes."""
        return {**({} if self.encoder is None else {FIRST: self.encoder}), **self.cascaded}

    @property
    def written(self) -> Hidden:
        """The stack at whose entries the labels stand."""
        hidden = self.encoder if self.decoder is None else self.decoder
        assert hidden is not None
        return hidden


@final
class UnimodalForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """One encoder-decoder for every modality."""

    config_class = UnimodalConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False
    _supports_sdpa = True

    def __init__(self, config: UnimodalConfig) -> None:
        super().__init__(config)
        parts = build(
            {"class": "unimodal.config.Parts", **(config.spec or load_spec(SMALLEST)["spec"])},
            Parts,
            where="config.spec",
        )
        self.vocabulary = parts.vocabulary
        self.arrangement = parts.arrangement
        self.generator = build(config.generation, Generator, where="config.generation")
        self.kinds = {net: kind for kind, net in enumerate(sorted(parts.prenets))}
        self.embedding_scale = parts.embedding_scale
        self.embedding = TokenTable(len(parts.vocabulary), parts.dim)
        self.backbone = parts.backbone(parts.dim)
        self.prenets = nn.ModuleDict({net: make(parts.dim) for net, make in sorted(parts.prenets.items())})
        self.head = parts.head(parts.dim, len(parts.vocabulary))
        self.postnets = nn.ModuleDict({net: postnet(parts.dim) for net, postnet in sorted(parts.postnets.items())})
        readouts = build(config.readouts or {}, Mapping[str, Callable[[int, int], Head]], where="config.readouts")
        self.readout_memories = dict(config.readout_memories or {})
        if unknown := sorted(readouts.keys() - self.kinds.keys() - self.readout_memories.keys()):
            raise ValueError(f"config.readouts: the model has no net {', '.join(unknown)}")
        width, size = self.backbone.memory_dim, parts.vocabulary.size("text")
        self.readouts = nn.ModuleDict({net: make(width, size) for net, make in sorted(readouts.items())})
        check_outputs(self)
        build(config.quantization, Quantization, where="config.quantization").apply(self)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Unit variance in, unit variance out. Other parameters keep what their constructors gave them."""
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            initialization.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                initialization.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            initialization.normal_(module.weight, std=module.embedding_dim**-0.5)
            if isinstance(module, TokenTable):
                self._order(module.weight)

    def _order(self, table: Tensor) -> None:
        """Lets the vectors of numbers in order begin as waves, in a table that was not read and lies here whole."""
        if getattr(table, "_is_hf_initialized", False) or hasattr(table, "ds_id"):
            return
        for kind in self.vocabulary.ordered:
            ids = self.vocabulary.ids(kind)
            with torch.no_grad():
                table[ids.start : ids.stop] = waves(len(ids), table.shape[1]).to(table)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # its options are handed on
        cls, pretrained_model_name_or_path: str | Path | None, *arguments: Any, **options: Any
    ) -> "UnimodalForConditionalGeneration":
        """As in transformers, but from safetensors alone, and a local folder is checked before anything is built.

        Raises ValueError or FileNotFoundError for a folder that holds no model of ours.
        """
        name = pretrained_model_name_or_path
        if name is not None and Path(name).is_dir():
            folder = Path(name) / options.get("subfolder", "")
            check_folder(folder, lambda config: cls(UnimodalConfig(**config)))
        return super().from_pretrained(name, *arguments, **{**options, "use_safetensors": True})

    def prenet(self, net: str) -> Prenet:
        """The pre-net of a name."""
        return cast(Prenet, self.prenets[net])

    def postnet(self, net: str) -> Postnet:
        """The post-net of a name."""
        return cast(Postnet, self.postnets[net])

    def embed_tokens(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch d"]:
        """The token table, as every pre-net is lent it."""
        embedded: Tensor = self.embedding(ids)
        return embedded if self.embedding_scale == 1 else embedded * self.embedding_scale

    def embed(self, sequences: Sequences) -> Float[Tensor, "b t d"]:
        """Every piece through its pre-net, put where its layout says; zeros on padding."""
        valid = sequences.layout.valid
        x = torch.zeros(*valid.shape, self.embedding.embedding_dim, dtype=self.dtype, device=self.device)
        for net, pieces in sequences.pieces.items():
            embedded = self.prenet(net).embed(pieces.arrays, pieces.lengths, self.embed_tokens)
            rows, entries, inside = pieces.places(embedded.shape[1])
            x = x.to(embedded.dtype).index_put((rows, entries), embedded[inside])
        return x

    def encode(
        self, source: Sequences, *, keep_weights: Collection[str] = (), wanted: Collection[str] | None = None
    ) -> tuple[Hidden, dict[str, Memory]]:
        """The encoder's pass, and the memories that decoders read; `wanted` as in Cascade, which is spared the rest."""
        hidden, memories, _ = self._encode(self.embed(source), source.layout, keep_weights, wanted)
        return hidden, memories

    def encode_for(self, source: Sequences, target: Layout) -> dict[str, Memory]:
        """The memories that the decoder of these rows reads, beside the first encoder's."""
        return self.encode(source, wanted=wanted_by(self, target))[1]

    def _encode(
        self, embeds: Tensor, layout: Layout, keep_weights: Collection[str], wanted: Collection[str] | None
    ) -> tuple[Hidden, dict[str, Memory], dict[str, Hidden]]:
        """(the first encoder's pass, memories, passes of the others by memory)."""
        hidden, first = self.backbone.encode(embeds, layout, keep_weights=keep_weights)
        cascaded, memories = self.backbone.cascade(first, wanted, self, keep_weights=keep_weights)
        return hidden, memories, cascaded

    def decode(
        self, target: Sequences, memories: Mapping[str, Memory], cache: Cache, *, keep_weights: Collection[str] = ()
    ) -> Hidden:
        """The pass of the one decoder of these rows over entries that follow what the cache holds."""
        net, embeds = only_writer(self, target.layout), self.embed(target)
        return self.backbone.decode(embeds, target.layout, cache, memories, keep_weights=keep_weights, net=net)

    def logits(self, hidden: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch v"]:
        """Scores over the token space."""
        scores: Tensor = self.head(hidden, self.embedding.score)
        return scores

    def readout_memory(self, name: str) -> str:
        """The memory that a readout reads."""
        return self.readout_memories.get(name, FIRST)

    def read_off(self, net: str, memory: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c"]:
        """Scores over the first c ids, the text pieces, of each entry of a readout's memory; the pad is the blank."""
        scores: Tensor = self.readouts[net](memory, self.embedding.score)
        return scores

    def run_batch(
        self, batch: Batch, *, keep_weights: Collection[str] = (), offer: Offer = lambda memories, batch: memories
    ) -> Output:
        """One teacher-forced pass; logits are left to whoever needs them, at the entries he needs.

        The decoder reads what is offered to it in the place of the memories.
        """
        encoder: Hidden | None = None
        memories: dict[str, Memory] = {}
        cascaded: dict[str, Hidden] = {}
        if batch.source is not None:
            wanted = None if batch.target is None else wanted_by(self, batch.target.layout)
            embeds = self.embed(batch.source)
            encoder, memories, cascaded = self._encode(embeds, batch.source.layout, keep_weights, wanted)
        if batch.target is None:
            return Output(encoder, None, memories, cascaded)
        decoder = write_rows(self, batch.target, offer(memories, batch), keep_weights=keep_weights)
        return Output(encoder, decoder, memories, cascaded)

    def forward(
        self,
        input_ids: Int[Tensor, "b s"] | None = None,
        attention_mask: Shaped[Tensor, "b s"] | None = None,
        inputs_embeds: Float[Tensor, "b s d"] | None = None,
        decoder_input_ids: Int[Tensor, "b t"] | None = None,
        decoder_attention_mask: Shaped[Tensor, "b t"] | None = None,
        decoder_inputs_embeds: Float[Tensor, "b t d"] | None = None,
        labels: Int[Tensor, "b *t"] | Float[Tensor, "b t f"] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        task_ids: Int[Tensor, " b"] | None = None,
        batch: Batch | None = None,
        **inputs: Tensor | None,
    ) -> Output | ModelOutput:
        """A `batch` gives its `Output`; transformers' inputs give transformers' output.

        `inputs` are those that the model's pre-nets read (`pixel_values`, say). Without `decoder_input_ids` the decoder
        reads the labels shifted by one, from the start token on. `return_dict` and `task_ids` are what PEFT passes and
        are not used.
        """
        if batch is not None:
            return self.run_batch(batch)
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "decoder_input_ids": decoder_input_ids,
            "decoder_attention_mask": decoder_attention_mask,
            "decoder_inputs_embeds": decoder_inputs_embeds,
            **inputs,
        }
        check_single(self)
        answers = self._answers(given, labels)
        weights = {
            *(("self", "encoder") if output_attentions else ()),
            *(() if labels is None else answers.needs_weights),
        }
        encoder, memories = self.encode_inputs(given, keep_weights=weights)
        decoder: Hidden | None = None
        if self.backbone.decoder is not None:
            if encoder is not None and labels is not None and not self.target.is_given(given):
                given |= answers.taught(labels, decoder_attention_mask)
            embeds, layout = self.target.read(given)
            once = Once(embeds.shape[0], embeds.device)
            decoder = self.backbone.decode(embeds, layout, once, memories, keep_weights=weights)
        written = Output(encoder, decoder, memories).written
        answer: dict[str, Any] = {**answers.output(written, labels, memories["encoder"].layout if memories else None)}
        return ModelOutput(
            **answer,
            last_hidden_state=written.last,
            hidden_states=written.layers if output_hidden_states else None,
            decoder_hidden_states=decoder.layers if output_hidden_states and decoder is not None else None,
            decoder_attentions=None if decoder is None else decoder.weights.get("self"),
            cross_attentions=None if decoder is None else decoder.weights.get("encoder"),
            encoder_last_hidden_state=None if encoder is None else encoder.last,
            encoder_hidden_states=encoder.layers if output_hidden_states and encoder is not None else None,
            encoder_attentions=None if encoder is None else encoder.weights.get("self"),
        )

    @property
    def source(self) -> Side:
        """The encoder, as transformers' callers address it."""
        return Side("", self._keyword_prenets(decoder=False), self.embed_tokens)

    @property
    def target(self) -> Side:
        """The decoder, as transformers' callers address it: one that stands alone takes the encoder's names."""
        prefix = "" if self.backbone.encoder is None else "decoder_"
        return Side(prefix, self._keyword_prenets(decoder=True), self.embed_tokens)

    def encode_inputs(
        self, inputs: Mapping[str, Any], *, keep_weights: Collection[str] = ()
    ) -> tuple[Hidden | None, dict[str, Memory]]:
        """The encoder's pass over transformers' inputs; nothing where the model has no encoder.

        Raises ValueError for a keyword that no side of the model reads.
        """
        sides = [self.source] if self.backbone.encoder is not None else []
        sides += [self.target] if self.backbone.decoder is not None else []
        known = set().union(*(side.keywords for side in sides))
        for name in sorted(name for name, value in inputs.items() if value is not None and name not in known):
            raise ValueError(f"{name}: the model reads {', '.join(sorted(known))}")
        if self.backbone.encoder is None:
            return None, {}
        embeds, layout = self.source.read(inputs)
        hidden, memories, _ = self._encode(embeds, layout, keep_weights, None)
        return hidden, memories

    def _keyword_prenets(self, *, decoder: bool) -> dict[str, KeywordPrenet]:
        """By keyword, those that serve one side."""
        return {
            name: cast(KeywordPrenet, prenet)
            for prenet in map(self.prenet, self.prenets)
            for name in prenet.keywords
            if any(keyword.startswith("decoder_") for keyword in prenet.keywords) == decoder
        }

    def _answers(self, inputs: Mapping[str, Any], labels: Tensor | None) -> Answering:
        """The post-net of what the decoder reads and writes, where that is no tokens."""
        taught = labels is not None and labels.is_floating_point()
        for net in self.postnets:
            keywords = self.prenet(net).keywords
            if keywords and (taught or inputs.get(keywords[0]) is not None):
                return cast(KeywordPostnet, self.postnet(net))
        return TokenAnswers(self)

    @property
    def boundaries(self) -> Boundaries:
        """The tokens that begin, end and fill answers; a checkpoint from elsewhere has none but those it names."""
        space, own = self.vocabulary, {}
        if self.config.origin is None:
            own = {"decoder_start_token_id": space.start, "eos_token_id": space.end, "pad_token_id": space.pad}
        return Boundaries(self.generation_config, defaults=own)

    def generate(  # type: ignore[override]  # transformers' keywords that have a meaning here
        self,
        input_ids: Shaped[Tensor, "b *s"] | None = None,
        attention_mask: Shaped[Tensor, "b s"] | None = None,
        *,
        decoder_input_ids: Int[Tensor, "b t"] | None = None,
        generation_config: GenerationConfig | None = None,
        decoding: str | Mapping[str, Any] | Decoding | None = None,
        **options: Any,
    ) -> Any:
        """As in transformers: the start tokens (a decoder alone: `input_ids`), then the answer.

        `options` are inputs that the model's pre-nets read (`pixel_values`, say) and fields of a generation config.
        Rows end with the end token and are padded behind it. What is not given stands in `generation_config.json`;
        `decoding` (a name in `configs/decoding/`, or a mapping) takes the place of all of it. A decoder alone goes on
        after the last of its input_ids: nothing is put between. A model may have a generator of its own that
        says what it gives. With `speaker_embeddings` the answer is speech, as `generate_speech` gives it.
        """
        if "speaker_embeddings" in options:
            source = options.pop(source_input(self)) if input_ids is None else input_ids
            return self.generate_speech(source, attention_mask=attention_mask, decoding=decoding, **options)
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        inputs |= {name: options.pop(name) for name in self.source.keywords if name in options}
        asked = Asked(
            inputs=inputs,
            decoder_input_ids=decoder_input_ids,
            config=generation_config,
            decoding=decoding,
            options=options,
        )
        return self.generator.generate(self, asked)

    def generate_speech(
        self,
        inputs: Shaped[Tensor, "b s"],
        speaker_embeddings: Float[Tensor, "r v"] | None = None,
        attention_mask: Shaped[Tensor, "b s"] | None = None,
        *,
        threshold: float = 0.5,
        minlenratio: float = 0.0,
        maxlenratio: float = 20.0,
        vocoder: Vocoder | None = None,
        return_output_lengths: bool = False,
        decoding: str | Mapping[str, Any] | Decoding | None = None,
    ) -> Tensor | tuple[Tensor, list[int]]:
        """As in transformers: log-mel frames [t, f] of one row, [b, t, f] of several, or what a vocoder makes of them.

        `inputs` are token ids or samples at 16 kHz. Speech ends at the first step whose frames are the last with a
        probability of `threshold`, within `minlenratio` to `maxlenratio` frames for each entry of the encoder.
        `decoding` says how steps are run: its cache and its capture.
        """
        named = {source_input(self): inputs, "attention_mask": attention_mask}
        limits = SpeechLimits(threshold=threshold, minlenratio=minlenratio, maxlenratio=maxlenratio)
        frames = speak(self, named, speaker_embeddings, limits, decoding=decoding_of(decoding))
        return render(frames, vocoder, lengths=return_output_lengths)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embedding = cast(TokenTable, value)
