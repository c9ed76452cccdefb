"""A convolutional masked autoencoder of single pixels: the fine scale, at native resolution.

Generators leave their traces in the finest detail, below what a 16-pixel patch of a resized view
can see. This net hides single pixels on a lattice and predicts each from the visible ones around
it, as a discretised logistic whose mean follows the colours already seen (red, then green given
red, then blue given both), so that the three NLLs of a pixel add up to a joint one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinemae.mae.config import ConvMAEConfig
from cinemae.mae.frozen import CONV_INPUTS, CONV_PARAMETERS, START_LOG_SCALE


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, rows, columns) to the same shape."""
        out: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return out


class ConvMAE(nn.Module):
    """Encoder and decoder at half resolution over the visible pixels and the mask.

    Attributes:
        config: The shape.
    """

    def __init__(self, config: ConvMAEConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(CONV_INPUTS, config.width, 3, padding=1)
        self.encoder = nn.ModuleList(ResidualBlock(config.width) for _ in range(config.encoder_blocks))
        self.decoder = nn.ModuleList(ResidualBlock(config.width) for _ in range(config.decoder_blocks))
        self.head = nn.Conv2d(config.width, 4 * CONV_PARAMETERS, 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Fill the weights for pre-training: He for convolutions, small for what ends a residual."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
                if name.endswith("conv2") or name == "head":
                    module.weight.data.mul_(0.1)

    def encode(self, images: Tensor, hidden: Tensor) -> list[Tensor]:
        """Run the encoder on the visible pixels.

        Args:
            images: (batch, 3, height, width) in [-1, 1], even sides.
            hidden: (batch, 1, height, width) booleans, True = hidden.

        Returns:
            The stem's and each block's output, (batch, width, height / 2, width / 2).
        """
        visible = (~hidden).to(images.dtype)
        x = self.stem(F.pixel_unshuffle(torch.cat([images * visible, visible], dim=1), 2))
        outputs = [x]
        for block in self.encoder:
            x = block(x)
            outputs.append(x)
        return outputs

    def decode(self, latent: Tensor, images: Tensor, hidden: Tensor) -> Tensor:
        """Predict the distribution of every pixel.

        The mean is a correction of the average of the visible ones among a pixel's eight
        neighbours, so that the net need not learn to copy.

        Returns:
            (batch, 9, height, width), float32: three means before colour conditioning and three
            log-scales, in units of the [-1, 1] range, and three coefficients (green on red, blue
            on red, blue on green).
        """
        x = latent
        for block in self.decoder:
            x = block(x)
        out = F.pixel_shuffle(self.head(F.relu(x)), 2).float()
        mean, log_scale, colour = out.chunk(3, dim=1)
        return torch.cat([mean + neighbour_mean(images, hidden), log_scale + START_LOG_SCALE, colour], dim=1)

    def forward(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Predict (batch, 9, height, width) from images under ``hidden``."""
        return self.decode(self.encode(images, hidden)[-1], images, hidden)


def neighbour_mean(images: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean of the visible pixels among each pixel's 3x3 surroundings, float32."""
    visible = (~hidden).float()
    total = F.avg_pool2d(images.float() * visible, 3, stride=1, padding=1)
    share = F.avg_pool2d(visible, 3, stride=1, padding=1)
    return total / share.clamp_min(1e-6)


def condition_on_colour(prediction: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Turn raw outputs into a mean and a log-scale a sub-pixel, given the true earlier colours.

    Args:
        prediction: (batch, 9, height, width) of :class:`ConvMAE`.
        images: The true images in [-1, 1], (batch, 3, height, width).

    Returns:
        Mean and log-scale, each (batch, 3, height, width), in units of the [-1, 1] range.
    """
    mean, log_scale, colour = prediction.chunk(3, dim=1)
    error = images.float() - mean
    green = mean[:, 1:2] + colour[:, :1] * error[:, :1]
    blue = mean[:, 2:] + colour[:, 1:2] * error[:, :1] + colour[:, 2:] * error[:, 1:2]
    return torch.cat([mean[:, :1], green, blue], dim=1), log_scale
