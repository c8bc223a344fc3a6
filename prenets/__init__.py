"""Nets between raw things and the engine: one file per modality (speech has two, one in each direction).

Each file holds the modality's `Processor` (raw value -> arrays, on the CPU, without parameters), its `Prenet`
(arrays -> embeddings of the model's width) and, where the model writes the modality step by step, its `Postnet`
(hidden states -> frames, their loss, and the raw value again). The engine sees arrays and embeddings only: it imports
nothing from here, and a model's spec names the classes by import path.

A new modality is one new file. `tests/laws/test_nets.py` finds it and asks for its example; the laws are those of the
contracts: the arrays of one value share their first dimension, `Processor.positions` is what the Prenet returns,
padding never changes a real entry, gradient reaches every parameter.

Constructors of prenets and postnets take the model's width first (the model gives it), everything else by keyword.
They may run on the meta device, so they hold standard modules only and compute no values.
The folders in here are choices inside a net: `augmentations/`, `resizings/` and `vocoders/`.
"""

from unimodal.modality import Postnet, Prenet, Processor

__all__ = ["Postnet", "Prenet", "Processor"]
