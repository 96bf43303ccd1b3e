from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import train_test_split
from torch import nn

from frostline.errors import UserError
from frostline.heads import MLPClassifier, MLPRegressor
from frostline.heads._mlp import Config, CrossEntropy, Network, SquaredError, train, with_one


def rows(n=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, 5, generator=generator)
    return X, X[:, 0] * 2 - X[:, 1]


def test_the_batch_trains_each_model_as_torch_would_alone():
    X, y = rows()
    configs = [Config(1e-2, 0.1, 0), Config(3e-3, 0.0, 1)]
    network = Network([5, 8, 1], configs, dropout=0.0)
    start = [layer.clone() for layer in network.layers]
    found = train(network, configs, (X, y), (X, y), SquaredError(), epochs=20, patience=None, batch_size=64, seed=0)
    for m, config in enumerate(configs):
        alone = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
        with torch.no_grad():
            for layer, i in ((alone[0], 0), (alone[2], 1)):
                layer.weight.copy_(start[i][m, :-1].T)
                layer.bias.copy_(start[i][m, -1])
        weights, biases = [alone[0].weight, alone[2].weight], [alone[0].bias, alone[2].bias]
        optimizer = torch.optim.AdamW(
            [{"params": weights, "weight_decay": config.weight_decay}, {"params": biases, "weight_decay": 0.0}],
            lr=config.lr,
        )
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            (alone(X)[:, 0] - y).square().mean().backward()
            optimizer.step()
            losses.append((alone(X)[:, 0] - y).square().mean().item())
        assert found.losses[m].item() == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(("loss", "n_outputs"), [(SquaredError(), 1), (CrossEntropy(torch.tensor([1.0, 3.0, 0.5])), 3)])
def test_gradients_are_those_of_autograd(loss, n_outputs, dropout):
    X, y = rows(9)
    y = y if n_outputs == 1 else torch.arange(9) % 3
    network = Network([5, 8, 6, n_outputs], [Config(0.1, 0.0, 0), Config(0.1, 0.0, 1)], dropout)
    network.backward(with_one(X), y, loss, torch.Generator().manual_seed(1))
    leaves = [layer.clone().requires_grad_() for layer in network.layers]
    generator = torch.Generator().manual_seed(1)
    hidden = X.expand(2, -1, -1)
    for i, layer in enumerate(leaves):
        hidden = torch.baddbmm(layer[:, -1:], hidden, layer[:, :-1])
        if i < 2:
            hidden = torch.relu(hidden)
            if dropout:
                hidden = hidden * (torch.rand(hidden.shape[1:], generator=generator) >= dropout) / (1 - dropout)
    loss(hidden, y).sum().backward()
    for found, leaf in zip(network.gradients, leaves, strict=True):
        torch.testing.assert_close(found, leaf.grad)


def test_best_epoch_is_kept_and_patience_stops():
    X, y = rows()
    noise = torch.randn(64, generator=torch.Generator().manual_seed(5))
    configs = [Config(0.05, 0.0, 0)]
    network = Network([5, 32, 1], configs, 0.0)
    found = train(network, configs, (X, noise), (X, y), SquaredError(), epochs=200, patience=5, batch_size=16, seed=0)
    network.layers = found.layers
    assert SquaredError()(network(with_one(X)), y).item() == pytest.approx(found.losses.item(), rel=1e-5)
    assert 1 <= found.epochs.item() <= 195


def test_what_is_found_does_not_depend_on_threads_nor_on_the_other_models(monkeypatch):
    X, y = rows()
    noise = y + torch.randn(64, generator=torch.Generator().manual_seed(5))
    configs = [Config(rate, 0.1, 0) for rate in (0.0, 0.003, 0.05, 0.001, 0.02)]

    def found(configs, n_threads):
        monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
        network = Network([5, 32, 1], configs, 0.2)
        return train(network, configs, (X, noise), (X, y), SquaredError(), epochs=60, patience=5, batch_size=16, seed=0)

    together = found(configs, 1)
    assert len(set(together.epochs.tolist())) > 1
    for parts in ([found(configs, 2)], [found([config], 2) for config in configs]):
        assert torch.cat([part.epochs for part in parts]).tolist() == together.epochs.tolist()
        torch.testing.assert_close(torch.cat([part.losses for part in parts]), together.losses)
        for i, layer in enumerate(together.layers):
            torch.testing.assert_close(torch.cat([part.layers[i] for part in parts]), layer)


def test_a_model_that_has_stopped_is_no_longer_computed(monkeypatch):
    class CountingError(SquaredError):
        def __init__(self):
            self.n_models = []

        def gradient(self, outputs, targets):
            self.n_models.append(len(outputs))
            return super().gradient(outputs, targets)

    X, y = rows()
    loss, configs = CountingError(), [Config(rate, 0.1, 0) for rate in (0.0, 0.003, 0.05)]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    network = Network([5, 32, 1], configs, 0.0)
    found = train(network, configs, (X, y), (X, y), loss, epochs=60, patience=5, batch_size=64, seed=0)
    # One mini-batch an epoch: each model trains until it has not improved for five of them.
    assert sum(loss.n_models) == sum(min(60, epoch + 5) for epoch in found.epochs.tolist()) < 3 * len(loss.n_models)


def test_an_error_stops_every_thread(monkeypatch):
    class FaultyError(SquaredError):
        n_calls = 0

        def gradient(self, outputs, targets):
            self.n_calls += 1
            if self.n_calls == 20:
                raise MemoryError
            return super().gradient(outputs, targets)

    X, y = rows()
    loss = FaultyError()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    configs = [Config(0.01, 0.0, seed) for seed in range(4)]
    with pytest.raises(MemoryError):
        train(
            Network([5, 8, 1], configs, 0.0),
            configs,
            (X, y),
            (X, y),
            loss,
            epochs=10**6,
            patience=None,
            batch_size=64,
            seed=0,
        )
    assert loss.n_calls < 10**4


def test_classifier_learns():
    X, y = load_iris(return_X_y=True)
    a, b, c, d = train_test_split(X, y, random_state=0, stratify=y)
    head = MLPClassifier().fit(a, np.array(["x", "y", "z"])[c])
    assert (head.predict(b) == np.array(["x", "y", "z"])[d]).mean() > 0.9
    np.testing.assert_allclose(head.predict_proba(b).sum(1), 1)
    assert set(head.chosen_) == {"lr", "weight_decay", "epochs", "validation_loss", "n_validation"}


def test_regressor_learns_the_papers_sweep():
    X, y = load_diabetes(return_X_y=True)
    a, b, c, d = train_test_split(X, y, random_state=0)
    head = MLPRegressor(epochs=60).fit(a, c)
    assert head.score(b, d) > 0.3
    assert head.chosen_["lr"] in MLPRegressor().lrs


@pytest.mark.parametrize(("head", "y"), [(MLPClassifier, [0, 1] * 30), (MLPRegressor, np.arange(60.0))])
def test_seeded_and_saved(head, y):
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    before = torch.random.get_rng_state()
    first, second = (head(epochs=5, n_seeds=2, seed=3).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    np.testing.assert_array_equal(head.from_state(*first.get_state()).predict(X), first.predict(X))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.layers_[0].shape[0] == 2


def test_one_class_is_refused():
    with pytest.raises(UserError, match="one class"):
        MLPClassifier().fit(np.zeros((4, 2)), [1, 1, 1, 1])
