"""HiFi-GAN as SpeechT5's checkpoints have it (Kong et al. 2020, 2010.05646): plain weights, frames normalised first."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap


@final
class HifiGan(Conversion):
    """A vocoder alone: the spec is that of the part."""

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        for rate, kernel in zip(theirs["upsample_rates"], theirs["upsample_kernel_sizes"], strict=True):
            if (kernel - rate) % 2:
                # The released code then gives a sample too many at each step.
                raise ValueError(f"upsample_kernel_sizes: {kernel} and its rate {rate} are not both even or both odd")
        return {
            "class": "unimodal.prenets.vocoders.hifigan.HifiGan",
            "num_bands": theirs["model_in_dim"],
            "width": theirs["upsample_initial_channel"],
            "rates": list(theirs["upsample_rates"]),
            "kernels": list(theirs["upsample_kernel_sizes"]),
            "block_kernels": list(theirs["resblock_kernel_sizes"]),
            "dilations": [list(dilations) for dilations in theirs["resblock_dilation_sizes"]],
            "slope": theirs["leaky_relu_slope"],
            "normalised": theirs["normalize_before"],
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        named = {"conv_pre": "first", "conv_post": "last"}
        num_steps = len(theirs["upsample_rates"])
        named |= {f"upsampler.{step}": f"steps.{step}" for step in range(num_steps)}
        dilations = list(theirs["resblock_dilation_sizes"]) * num_steps
        for block, dilated in enumerate(dilations):
            for place in range(len(dilated)):
                named[f"resblocks.{block}.convs1.{place}"] = f"blocks.{block}.dilated.{place}"
                named[f"resblocks.{block}.convs2.{place}"] = f"blocks.{block}.plain.{place}"
        ours = {f"{name}.{part}": f"vocoder.{own}.{part}" for name, own in named.items() for part in ("weight", "bias")}
        return KeyMap(ours=ours | {"mean": "vocoder.mean", "scale": "vocoder.scale"})
