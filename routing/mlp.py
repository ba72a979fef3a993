"""Multi-layer perceptron on the embedding: the other correctness predictor (appendix C.1 of the paper).

Two hidden layers of 1500 units, ReLU, sigmoid output; Adam with learning rate 0.01 on the binary cross-entropy, at
most 100 epochs, stopped when the accuracy on held-back inputs has not risen for 10. The paper trains one network per
model; one network with an output for every model costs as much as one of those, and predicts as well.

This module imports torch, which takes seconds; only code that trains a network imports it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from routing.arrays import Embeddings, Floats, Ints
from routing.errors import TrainingError


@dataclass(frozen=True, slots=True)
class MlpSettings:
    """Hyperparameters: the paper's, and two that it leaves open.

    Attributes:
        batch: inputs per gradient step; not in the paper.
        held_back: share of the inputs held back for early stopping; not in the paper.
    """

    hidden: int = 1500
    learning_rate: float = 0.01
    epochs: int = 100
    patience: int = 10
    batch: int = 512
    held_back: float = 0.1
    seed: int = 0


class Mlp:
    """A trained network.

    Attributes:
        held_back: rows of the training set that it was not trained on.
        accuracy: on those rows.
        epochs: epochs until the best weights.
    """

    def __init__(self, network: nn.Sequential, held_back: Ints, accuracy: float, epochs: int) -> None:
        self._network = network
        self.held_back = held_back
        self.accuracy = accuracy
        self.epochs = epochs

    def predict_outcomes(self, vectors: Embeddings) -> Floats:
        """Return g of every model, (n, n_models) in [0, 1]. vectors: (n, dim), unit length."""
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(self._network(torch.from_numpy(vectors))).numpy(), dtype=np.float64)


def train_mlp(vectors: Embeddings, outcomes: Floats, settings: MlpSettings | None = None) -> Mlp:
    """Train one network for all models; missing outcomes (NaN) do not contribute to the loss.

    vectors: (n, dim), unit length. outcomes: (n, n_models) in [0, 1] or NaN. The same arguments give the same network
    on the same machine. Raises TrainingError where fewer than two inputs are given.
    """
    settings = settings or MlpSettings()
    if len(vectors) < 2:
        raise TrainingError(f"an MLP needs at least two inputs to train on, got {len(vectors)}")
    order = np.random.default_rng(settings.seed).permutation(len(vectors))
    count = max(1, int(settings.held_back * len(vectors)))
    held_back, training = np.sort(order[:count]), np.sort(order[count:])
    # A forked generator: seeding the global one would change the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = _network(vectors.shape[1], outcomes.shape[1], settings.hidden)
        parts = _Part(vectors, outcomes, training), _Part(vectors, outcomes, held_back)
        state, accuracy, epochs = _fitted(network, *parts, settings)
    network.load_state_dict(state)
    network.eval()
    return Mlp(network, held_back, accuracy, epochs)


class _Part:
    """Some inputs as tensors.

    Attributes:
        target: outcomes, 0 where unknown.
        known: 1 where the outcome is known, else 0.
    """

    def __init__(self, vectors: Embeddings, outcomes: Floats, rows: Ints) -> None:
        self.vectors = torch.from_numpy(np.ascontiguousarray(vectors[rows], dtype=np.float32))
        self.target = torch.from_numpy(np.nan_to_num(outcomes[rows]).astype(np.float32))
        self.known = torch.from_numpy((~np.isnan(outcomes[rows])).astype(np.float32))


def _network(dim: int, n_models: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, n_models)
    )


def _fitted(
    network: nn.Sequential, training: _Part, held_back: _Part, settings: MlpSettings
) -> tuple[dict[str, Tensor], float, int]:
    """Return the weights that were best on the held-back inputs, their accuracy there, and their epoch."""
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    best, accuracy, at = _copy(network), _accuracy(network, held_back), 0
    for epoch in range(1, settings.epochs + 1):
        _epoch(network, optimizer, training, settings.batch)
        now = _accuracy(network, held_back)
        if now > accuracy:
            best, accuracy, at = _copy(network), now, epoch
        elif epoch - at >= settings.patience:
            break
    return best, accuracy, at


def _epoch(network: nn.Sequential, optimizer: torch.optim.Optimizer, part: _Part, batch: int) -> None:
    for some in torch.split(torch.randperm(len(part.vectors)), batch):
        optimizer.zero_grad(set_to_none=True)
        losses = nn.functional.binary_cross_entropy_with_logits(
            network(part.vectors[some]), part.target[some], reduction="none"
        )
        known = part.known[some]
        # Averaged over known outcomes: a mean over all would weight a batch with many gaps less.
        loss = (losses * known).sum() / known.sum().clamp(min=1)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _accuracy(network: nn.Sequential, part: _Part) -> float:
    """Return the share of known outcomes that are on the predicted side of one half."""
    with torch.inference_mode():
        # The network's output is a logit: above 0 is a probability above one half.
        predicted = network(part.vectors) > 0
    right = ((predicted == (part.target > 0.5)) * part.known).sum()
    return float(right / part.known.sum().clamp(min=1))


def _copy(network: nn.Sequential) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
