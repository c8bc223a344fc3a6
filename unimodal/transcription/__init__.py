"""Transcripts of speech of any length, as Whisper writes them (Radford et al. 2022, arXiv:2212.04356).

`options` is what a caller may say, `tokens` the special tokens and what a transcript begins with, `segments` how an
answer is cut at its times, `quality` when an answer is thrown away. `unimodal.generators.windows` puts them together.
"""
