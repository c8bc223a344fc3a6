"""What the fields of a manifest hold: sounds, pictures and tables by their files, texts as they are.

The contract, `Column`, is the engine's. Laws: see there.
"""

from unimodal.data.columns import Column, Files

__all__ = ["Column", "Files"]
