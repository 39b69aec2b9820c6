"""Small networks on rows of features, trained in seconds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..progress import Progress, Report, silent


class RowClassifier(nn.Module):
    """Two hidden layers on standardised features.

    Parameters
    ----------
    features, outputs, width : int
        Numbers of features, of outputs (logits) and of units in a hidden layer.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: int, outputs: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
        )
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    def forward(self, rows: Tensor) -> Tensor:
        """Return (N, outputs) logits of (N, features) rows."""
        return torch.as_tensor(self.layers((rows - self.mean) / self.std))

    def standardise(self, rows: Tensor) -> None:
        """Take mean and standard deviation of the features from these rows."""
        self.mean.copy_(rows.mean(0))
        self.std.copy_(rows.std(0) + 1e-6)


def train_rows(
    network: RowClassifier,
    rows: Tensor,
    targets: Tensor,
    *,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    report: Report = silent,
) -> RowClassifier:
    """Train a network on (N, features) rows and their classes, whole numbers; with one output 0 or 1.

    Returns
    -------
    RowClassifier
        The same, in evaluation mode.
    """
    network.standardise(rows)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        drawn = torch.randint(len(rows), (batch,), generator=generator)
        logits = network(rows[drawn])
        if logits.shape[1] == 1:
            loss = nn.functional.binary_cross_entropy_with_logits(logits[:, 0], targets[drawn].float())
        else:
            loss = nn.functional.cross_entropy(logits, targets[drawn])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        report(Progress((step + 1) / steps))
    return network.eval()


@torch.inference_mode()
def logits_of(network: RowClassifier, rows: Tensor) -> Tensor:
    """Return (N, outputs) logits, computed in portions."""
    return torch.cat([network(each) for each in torch.split(rows, 1 << 17)])
