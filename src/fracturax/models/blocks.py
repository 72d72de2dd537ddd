"""A Transformer block in plain operations: the same in torch and in an exported graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward part, each normalized before and added after.

    Args:
        width: Channels of a token; a multiple of `heads`.
        heads: Heads of the attention.
        dropout: Share of what each part adds that training drops.

    References:
        Vaswani et al., "Attention is all you need", NeurIPS 2017. Xiong et al., "On layer
        normalization in the Transformer architecture", ICML 2020 (normalized before).

    Example:
        >>> TransformerBlock(8, heads=2).eval()(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, *, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.wanted = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.forth = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens `(b, n, width)` that have looked at each other."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (b, heads, n, width / heads)
            for part in self.wanted(self.before(tokens)).chunk(3, dim=2)
        )
        likeness = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        seen = (torch.softmax(likeness, dim=3) @ value).transpose(1, 2).flatten(2)
        tokens = tokens + self.dropout(self.joined(seen))
        added: Tensor = tokens + self.dropout(self.forth(self.between(tokens)))
        return added
