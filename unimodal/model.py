"""The model: pre-nets, a backbone, a head and post-nets, built from one spec, as a transformers model.

b rows, t decoder entries, s encoder entries, d width, v vocabulary
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel, initialization
from transformers.modeling_outputs import Seq2SeqLMOutput

from unimodal.backbone import Backbone
from unimodal.batching import IGNORED, Arrangement, Batch, Item, Sequences, token_piece
from unimodal.build import build
from unimodal.caches import Cache
from unimodal.caches.once import Once
from unimodal.folder import check_folder
from unimodal.generate import Decoding, decoding_from, decoding_of, write_tokens
from unimodal.heads import Head
from unimodal.hidden import Hidden, Memory
from unimodal.layout import Layout, stack_ragged
from unimodal.losses import token_losses
from unimodal.modality import Postnet, Prenet
from unimodal.spec import load_spec
from unimodal.vocabulary import TokenSpace

SMALLEST = Path(__file__).parent / "configs" / "models" / "smallest.yaml"


@final
class UnimodalConfig(PreTrainedConfig):
    """What `config.json` holds: the spec that the model is built from, and the specs of its processors."""

    model_type = "unimodal"
    __no_type_check__ = True  # transformers takes keys of config.json that are no fields; jaxtyping's check would not

    spec: dict[str, Any] | None = None
    processors: dict[str, Any] | None = None


@final
class Parts:
    """The parts of a model as its spec names them. Nets are kept by name; their sorted order numbers the kinds."""

    def __init__(
        self,
        vocabulary: TokenSpace,
        *,
        dim: int,
        arrangement: Arrangement,
        backbone: Callable[[int], Backbone],
        head: Callable[[int, int], Head],
        prenets: Mapping[str, Callable[[int], Prenet]],
        postnets: Mapping[str, Callable[[int], Postnet]],
        embedding_scale: float = 1.0,
    ) -> None:
        self.vocabulary = vocabulary
        self.dim = dim
        self.arrangement = arrangement
        self.backbone = backbone
        self.head = head
        self.prenets = prenets
        self.postnets = postnets
        self.embedding_scale = embedding_scale


@dataclass(frozen=True, eq=False)
class Output:
    """All that one pass over a batch computed; losses and measurements read it."""

    encoder: Hidden | None
    decoder: Hidden | None
    memories: Mapping[str, Memory]

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
            {"class": "unimodal.model.Parts", **(config.spec or load_spec(SMALLEST)["spec"])},
            Parts,
            where="config.spec",
        )
        self.vocabulary = parts.vocabulary
        self.arrangement = parts.arrangement
        self.kinds = {net: kind for kind, net in enumerate(sorted(parts.prenets))}
        self.embedding_scale = parts.embedding_scale
        self.embedding = nn.Embedding(len(parts.vocabulary), parts.dim)
        self.prenets = nn.ModuleDict({net: prenet(parts.dim) for net, prenet in sorted(parts.prenets.items())})
        self.backbone = parts.backbone(parts.dim)
        self.head = parts.head(parts.dim, len(parts.vocabulary))
        self.postnets = nn.ModuleDict({net: postnet(parts.dim) for net, postnet in sorted(parts.postnets.items())})
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Unit variance in, unit variance out. Other parameters keep what their constructors gave them."""
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            initialization.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                initialization.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            initialization.normal_(module.weight, std=module.embedding_dim**-0.5)

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
            check_folder(folder, lambda spec: cls(UnimodalConfig(spec=spec)))
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
        x = self.embedding.weight.new_zeros(*valid.shape, self.embedding.embedding_dim)
        for net, pieces in sequences.pieces.items():
            embedded = self.prenet(net).embed(pieces.arrays, pieces.lengths, self.embed_tokens)
            rows, entries, inside = pieces.places(embedded.shape[1])
            x = x.to(embedded.dtype).index_put((rows, entries), embedded[inside])
        return x

    def encode(self, source: Sequences, *, keep_weights: Collection[str] = ()) -> tuple[Hidden, dict[str, Memory]]:
        """The encoder's pass, and the memories that a decoder reads."""
        return self.backbone.encode(self.embed(source), source.layout, keep_weights=keep_weights)

    def decode(
        self, target: Sequences, memories: Mapping[str, Memory], cache: Cache, *, keep_weights: Collection[str] = ()
    ) -> Hidden:
        """The decoder's pass over entries that follow what the cache holds."""
        return self.backbone.decode(self.embed(target), target.layout, cache, memories, keep_weights=keep_weights)

    def logits(self, hidden: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch v"]:
        """Scores over the token space."""
        scores: Tensor = self.head(hidden, self.embedding.weight)
        return scores

    def run_batch(self, batch: Batch, *, keep_weights: Collection[str] = ()) -> Output:
        """One teacher-forced pass; logits are left to whoever needs them, at the entries he needs."""
        encoder, memories = (None, {}) if batch.source is None else self.encode(batch.source, keep_weights=keep_weights)
        if batch.target is None:
            return Output(encoder, None, memories)
        once = Once(batch.target.layout.valid.shape[0], self.device)
        return Output(encoder, self.decode(batch.target, memories, once, keep_weights=keep_weights), memories)

    def forward(
        self,
        input_ids: Int[Tensor, "b s"] | None = None,
        attention_mask: Int[Tensor, "b s"] | None = None,
        inputs_embeds: Float[Tensor, "b s d"] | None = None,
        decoder_input_ids: Int[Tensor, "b t"] | None = None,
        decoder_attention_mask: Int[Tensor, "b t"] | None = None,
        decoder_inputs_embeds: Float[Tensor, "b t d"] | None = None,
        labels: Int[Tensor, "b t"] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        task_ids: Int[Tensor, " b"] | None = None,
        batch: Batch | None = None,
    ) -> Output | Seq2SeqLMOutput:
        """A `batch` gives its `Output`; transformers' text inputs give transformers' output.

        Without `decoder_input_ids` the decoder reads the labels shifted by one, from the start token on. `return_dict`
        and `task_ids` are what PEFT passes and are not used.
        """
        if batch is not None:
            return self.run_batch(batch)
        memories: dict[str, Memory] = {}
        encoder: Hidden | None = None
        kept = ("self", "encoder") if output_attentions else ()
        if self.backbone.encoder is not None:
            embeds, layout = self._text(input_ids, inputs_embeds, attention_mask)
            encoder, memories = self.backbone.encode(embeds, layout, keep_weights=kept)
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self._shifted(labels)
        else:
            decoder_input_ids, decoder_attention_mask = input_ids, attention_mask
            decoder_inputs_embeds = inputs_embeds
        embeds, layout = self._text(decoder_input_ids, decoder_inputs_embeds, decoder_attention_mask)
        once = Once(embeds.shape[0], embeds.device)
        decoder = self.backbone.decode(embeds, layout, once, memories, keep_weights=kept)
        logits = self.logits(decoder.last)
        loss, logits_of = None, logits
        if labels is not None:
            if encoder is None:  # a decoder alone is given the same tokens as input and as labels
                logits_of, labels = logits[:, :-1], labels[:, 1:]
            losses = token_losses(logits_of.flatten(0, 1), labels.flatten())
            loss = losses.sum() / (labels != IGNORED).sum()
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            decoder_hidden_states=decoder.layers if output_hidden_states else None,
            decoder_attentions=decoder.weights.get("self"),
            cross_attentions=decoder.weights.get("encoder"),
            encoder_last_hidden_state=None if encoder is None else encoder.last,
            encoder_hidden_states=encoder.layers if output_hidden_states and encoder is not None else None,
            encoder_attentions=None if encoder is None else encoder.weights.get("self"),
        )

    def _text(
        self, ids: Tensor | None, embeds: Tensor | None, mask: Tensor | None
    ) -> tuple[Float[Tensor, "b t d"], Layout]:
        if (ids is None) == (embeds is None):
            raise ValueError(
                "input_ids, inputs_embeds: give one of them (and decoder_input_ids or labels for a decoder)"
            )
        if embeds is None:
            assert ids is not None
            embeds = self.embed_tokens(ids)
        if mask is not None:
            return embeds, Layout.of_valid(mask.bool())
        return embeds, Layout.of_valid(torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device))

    def _shifted(self, labels: Tensor | None) -> Tensor:
        if labels is None:
            raise ValueError("decoder_input_ids: an encoder-decoder needs them, or labels")
        start = labels.new_full((labels.shape[0], 1), self.start)
        return torch.cat([start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, self.vocabulary.pad)], 1)

    @property
    def start(self) -> int:
        """The token that a decoder reads first; checkpoints from elsewhere may have their own."""
        named: int | None = self.generation_config.decoder_start_token_id
        return self.vocabulary.start if named is None else named

    def generate(  # type: ignore[override]  # the keywords of transformers that have a meaning here
        self,
        input_ids: Int[Tensor, "b s"],
        attention_mask: Int[Tensor, "b s"] | None = None,
        *,
        max_new_tokens: int | None = None,
        num_beams: int | None = None,
        do_sample: bool | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        length_penalty: float | None = None,
        decoding: str | Mapping[str, Any] | Decoding | None = None,
    ) -> Int[Tensor, "b t"]:
        """Text in, text out, as in transformers: the start token (a decoder alone: `input_ids`), then the answer.

        Rows end with the end token and are padded behind it. What is not given stands in `generation_config.json`;
        `decoding` (a name in `configs/decoding/`, or a mapping) takes the place of all of it. A decoder alone goes on
        after the last of its input_ids: nothing is put between.
        """
        asked = {
            "max_new_tokens": max_new_tokens,
            "num_beams": num_beams,
            "do_sample": do_sample,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "length_penalty": length_penalty,
        }
        too_many = [name for name, value in asked.items() if value is not None]
        if decoding is not None and too_many:
            raise ValueError(f"decoding, {', '.join(too_many)}: a decoding says all of it; give one or the other")
        chosen = decoding_from(self.generation_config, **asked) if decoding is None else decoding_of(decoding)
        prompts = self._prompts(input_ids, attention_mask)
        if self.backbone.encoder is None:
            # The decoder reads first what stands last, so that nothing comes between.
            items = [Item("", (token_piece(ids[:-1]),)) for ids in prompts]
            begun, start = input_ids, [token_piece(ids[-1:]) for ids in prompts]
        else:
            items = [Item("", (token_piece(ids),)) for ids in prompts]
            begun, start = input_ids.new_full((len(prompts), 1), self.start), None
        found = write_tokens(self, items, chosen, start=start)
        answers = stack_ragged([torch.tensor(best[0].tokens) for best in found], fill=self.vocabulary.pad)
        return torch.cat([begun, answers.to(begun.device)], dim=1)

    def _prompts(self, input_ids: Tensor, attention_mask: Tensor | None) -> list[Tensor]:
        """The real ids of each row."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        prompts = [ids[kept.bool()].cpu() for ids, kept in zip(input_ids, mask, strict=True)]
        for row, ids in enumerate(prompts):
            if ids.numel() == 0:
                raise ValueError(f"attention_mask: row {row} has no entry")
            if not 0 <= int(ids.min()) <= int(ids.max()) < len(self.vocabulary):
                raise ValueError(f"input_ids: row {row} has ids outside the vocabulary's {len(self.vocabulary)}")
        return prompts

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embedding = cast(nn.Embedding, value)
