"""What the fields of a manifest hold: sounds, pictures and tables by their files, texts as they are.

The contracts, `Column` and `Places`, are the engine's. Laws: see there.
"""

from unimodal.data.columns import Column, Files, Places

__all__ = ["Column", "Files", "Places"]
