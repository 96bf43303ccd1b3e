from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn import functional

from frostline.errors import UserError
from frostline.heads import CooccurrenceClassifier, fit_head, make_head
from frostline.heads._cooccurrence import CooccurrenceNetwork, Dropout, Shape, Training, epochs_of

SMALL = {"n_layers": 3, "compressed": 4, "hidden": (16, 8)}


def rows(n=90, n_layers=3, width=6, seed=0):
    """Classes that differ in whether the first two layers agree, which no linear map of the layers sees."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_layers, width))
    y = np.arange(n) % 2
    X[y == 1, 1] = X[y == 1, 0] + 0.1 * rng.normal(size=(int(y.sum()), width))
    return X.reshape(n, -1).astype(np.float32), y


def double(shape, seed=0):
    network = CooccurrenceNetwork.initialized(shape, seed)
    return CooccurrenceNetwork(shape, {name: p.detach().double() for name, p in network.parameters.items()})


def literal(network, X, sigma):
    """The formula row by row and entry by entry, in NumPy."""
    s = network.shape
    p = {name: tensor.numpy() for name, tensor in network.parameters.items()}
    found = []
    for x in X:
        layers = x[: s.deep].reshape(s.n_layers, s.width)
        phi = [np.maximum(p["compress.weight"][:, j] @ v + p["compress.bias"][:, j], 0) for j, v in enumerate(layers)]
        for i, v in enumerate(np.split(x[s.deep :], np.cumsum(s.extras)[:-1]) if s.extras else []):
            own = f"extra.{i}.weight" in p
            phi.append(np.maximum(p[f"extra.{i}.weight"] @ v + p[f"extra.{i}.bias"], 0) if own else v)
        C = np.array([[a @ b for b in phi] for a in phi]).flatten()
        PN = 2 / (1 + np.exp(-sigma * C)) - 1
        psi = np.concatenate([PN, layers.mean(0)])
        h = np.maximum(np.hstack([p["pairs"], p["mean"]]) @ psi + p["bias.0"], 0)
        for i in range(1, len(s.hidden) + 1):
            h = p[f"weight.{i}"] @ h + p[f"bias.{i}"]
            h = np.maximum(h, 0) if i < len(s.hidden) else h
        found.append((PN, h))
    return [np.array(part) for part in zip(*found, strict=True)]


@pytest.mark.parametrize("extras", [(), (8,), (8, 5)], ids=str)
@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0])
def test_forward_is_the_formula(extras, sigma):
    network = double(Shape(5, 12, extras, 8, (16, 6), 3))
    X = np.random.default_rng(0).normal(size=(7, 60 + sum(extras)))
    pairs, logits = literal(network, X, sigma)
    assert pairs.shape == (7, (5 + len(extras)) ** 2)
    np.testing.assert_allclose(network.pairs(torch.from_numpy(X), sigma).numpy(), pairs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(network.logits(torch.from_numpy(X), sigma).numpy(), logits, rtol=0, atol=1e-12)


def test_forward_at_the_width_of_minilm_in_single_precision():
    shape = Shape(7, 384, (), 96, (1024, 256), 8)
    X = np.random.default_rng(0).normal(size=(3, 7 * 384))
    _, logits = literal(double(shape), X, 0.01)
    single = CooccurrenceNetwork.initialized(shape, 0).logits(torch.from_numpy(X).float(), 0.01)
    np.testing.assert_allclose(single.numpy(), logits, rtol=0, atol=1e-6)


def test_the_published_head_has_the_published_size():
    tensors = Shape(5, 4096, (1024, 1024), 1024, (1024, 256), 2).tensors()
    count = sum(int(np.prod(size)) for size, _ in tensors.values())
    assert count == 20_976_640 + 4_245_504 + 262_400 + 257 * 2
    X, y = rows()
    head = CooccurrenceClassifier(**SMALL, sigma=0.1, epochs=1).fit(X, y)
    assert head.n_parameters_ == 3 * (6 + 1) * 4 + (9 + 6 + 1) * 16 + (16 + 1) * 8 + (8 + 1) * 2


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_are_those_of_finite_differences(shared):
    network = double(Shape(2, 3, (4, 2), 4, (6, 4), 3))
    X = torch.randn(5, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    names = list(network.parameters)

    def loss(*values):
        net = CooccurrenceNetwork(network.shape, dict(zip(names, values, strict=True)))
        dropout = Dropout(torch.Generator().manual_seed(2), shared)
        return functional.cross_entropy(net(X, 0.5, dropout), torch.tensor([0, 1, 2, 0, 1]))

    assert torch.autograd.gradcheck(loss, tuple(p.requires_grad_() for p in network.parameters.values()))


def test_dropping_the_same_units_everywhere_leaves_the_gram_matrix_right_on_average():
    network = double(Shape(3, 6, (), 32, (4,), 2))
    X = torch.randn(2, 18, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigma = 1e-6  # there tanh is linear
    generator = torch.Generator().manual_seed(0)
    exact = network.pairs(X, sigma).reshape(2, 3, 3)
    for shared, diagonal in ((True, 1), (False, 2)):
        drawn = [network.pairs(X, sigma, Dropout(generator, shared)).reshape(2, 3, 3) for _ in range(2000)]
        ratio = torch.stack(drawn).mean(0) / exact
        off = ~torch.eye(3, dtype=torch.bool)
        assert ratio[:, off].numpy() == pytest.approx(1, abs=0.15)
        assert ratio[:, ~off].numpy() == pytest.approx(diagonal, abs=0.15)


def test_training_as_published_is_adam_on_a_double_softmax():
    """One step beside torch's own Adam on the same rows and the same dropout."""
    shape = Shape(2, 4, (), 4, (6, 5), 3)
    X = torch.randn(8, 8, generator=torch.Generator().manual_seed(3))
    y = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    network = CooccurrenceNetwork.initialized(shape, 0)
    twin = {name: nn.Parameter(p.detach().clone()) for name, p in network.parameters.items()}
    training = Training(1e-2, 0.0, 8, 1, shared_dropout=False, double_softmax=True, seed=5)
    next(epochs_of(network, (X, y), torch.arange(8), 0.1, training))
    generator = torch.Generator().manual_seed(5)
    order = torch.randperm(8, generator=generator)
    optimizer = torch.optim.Adam(twin.values(), lr=1e-2)
    outputs = CooccurrenceNetwork(shape, twin)(X[order], 0.1, Dropout(generator, shared=False))
    functional.cross_entropy(torch.softmax(outputs, 1), y[order]).backward()
    optimizer.step()
    for name, p in network.parameters.items():
        torch.testing.assert_close(p.detach(), twin[name].detach(), rtol=0, atol=1e-5)


def test_learns_what_only_dot_products_show():
    X, y = rows(700)
    head = CooccurrenceClassifier(n_layers=3, compressed=32, hidden=(32,), lr=1e-2, epochs=30).fit(X[:600], y[:600])
    assert (head.predict(X[600:]) == y[600:]).mean() > 0.85
    assert head.sigma_ in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    assert set(head.chosen_["held_out_loss"]) == {"0.0001", "0.001", "0.01", "0.1", "1"}
    assert head.chosen_["held_out_loss"][f"{head.sigma_:g}"] == min(head.chosen_["held_out_loss"].values())
    assert (head.oof_proba_.argmax(1) == y[:600]).mean() > 0.8
    np.testing.assert_allclose(head.oof_proba_.sum(1), 1)


@pytest.mark.parametrize("as_published", [False, True])
def test_seeded_cloned_and_saved(as_published):
    X, y = rows()
    labels = np.array(["no", "yes"])[y]
    head = CooccurrenceClassifier(**SMALL, sigma=0.1, as_published=as_published, epochs=3, seed=3)
    before = torch.random.get_rng_state()
    first, second = (clone(head).fit(X, labels) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    p = first.predict_proba(X)
    np.testing.assert_array_equal(p, second.predict_proba(X))
    np.testing.assert_allclose(p.sum(1), 1)
    assert set(first.predict(X)) <= {"no", "yes"}
    again = CooccurrenceClassifier.from_state(*first.get_state())
    np.testing.assert_array_equal(again.predict_proba(X), p)
    assert (again.classes_ == ["no", "yes"]).all()
    assert again.n_parameters_ == first.n_parameters_
    assert hasattr(first, "oof_proba_") != as_published


def test_further_backbones_stand_behind_the_layers():
    X, y = rows()
    rng = np.random.default_rng(0)
    X = np.hstack([X, rng.normal(size=(90, 4)), rng.normal(size=(90, 7))]).astype(np.float32)
    head = CooccurrenceClassifier(widths=(6, 6, 6, 4, 7), compressed=4, hidden=(8,), sigma=0.1, epochs=2).fit(X, y)
    assert head.parameters_["pairs"].shape == (8, 25)
    assert head.parameters_["mean"].shape == (8, 6)
    assert "extra.0.weight" not in head.parameters_  # K wide already
    assert head.parameters_["extra.1.weight"].shape == (4, 7)
    again = CooccurrenceClassifier.from_state(*head.get_state())
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert clone(again).fit(X, y).parameters_["pairs"].shape[1] == 25


@pytest.mark.parametrize(("n", "n_classes"), [(16, 2), (24, 3), (3, 3), (2, 2)])
def test_few_rows(n, n_classes):
    X, _ = rows(n)
    y = np.arange(n) % n_classes
    head = CooccurrenceClassifier(**SMALL, epochs=3).fit(X, y)
    assert np.isfinite(head.predict_proba(X)).all()
    assert hasattr(head, "oof_proba_") == (n > n_classes)


def test_groups_are_not_split():
    X, y = rows(60)
    head = CooccurrenceClassifier(**SMALL, sigma=0.1, epochs=1)
    with pytest.raises(UserError, match="59 entries"):
        head.fit(X, y, groups=np.arange(59))
    assert hasattr(head.fit(X, y, groups=np.arange(60) // 10), "oof_proba_")
    assert not hasattr(head.fit(X, y, groups=np.zeros(60)), "oof_proba_")  # one group allows no fold


def test_the_estimator_tells_the_number_of_layers():
    X, y = rows()
    head = make_head("cooccurrence", "classification", 4)
    assert head.seed == 4
    head.set_params(compressed=4, hidden=(8,), sigma=0.1, epochs=1)
    assert fit_head(head, X, y, None, layers=[[6, 6, 6]]).parameters_["compress.weight"].shape == (4, 3, 6)
    given = CooccurrenceClassifier(n_layers=2, compressed=4, hidden=(8,), sigma=0.1, epochs=1)
    assert fit_head(given, X, y, None, layers=[[6, 6, 6]]).n_layers == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "how the columns divide"),
        ({"n_layers": 4}, "18 columns do not divide into 4"),
        ({"n_layers": 1}, "at least two; got 1"),
        ({"n_layers": 0}, "n_layers must be a whole number"),
        ({"widths": (6, 6, 5)}, "add up to the 18"),
        ({"widths": (9, 6, 3), "n_layers": 2}, "they are the layers"),
        ({"widths": (9, 6, 3)}, "at least two; got 1"),
        ({"n_layers": 3, "hidden": ()}, "hidden"),
        ({"n_layers": 3, "compressed": 0}, "compressed must be"),
        ({"n_layers": 3, "sigma": "best"}, "'auto' or a positive"),
        ({"n_layers": 3, "sigma": -1.0}, "'auto' or a positive"),
    ],
)
def test_refused(params, message):
    X, y = rows()
    with pytest.raises(UserError, match=message):
        CooccurrenceClassifier(**params).fit(X, y)


def test_regression_and_one_class_are_refused():
    with pytest.raises(UserError, match="classification only"):
        make_head("cooccurrence", "regression", 0)
    with pytest.raises(UserError, match="one class"):
        CooccurrenceClassifier(n_layers=2).fit(np.zeros((4, 4)), [1, 1, 1, 1])


def test_as_published_further_vectors_enter_as_they_are_or_not_at_all():
    X, y = rows()
    X = np.hstack([X, X[:, :5], X[:, 5:10]])
    head = CooccurrenceClassifier(hidden=(8,), as_published=True, epochs=1)
    fit_head(head, X, y, None, layers=[[6, 6, 6], [5], [5]])
    assert head.parameters_["compress.weight"].shape == (5, 3, 6)  # to the width of the others, as 4096 to 1024
    assert not [name for name in head.parameters_ if name.startswith("extra")]
    with pytest.raises(UserError, match="theirs are 4, 6 wide"):
        fit_head(clone(head).set_params(n_layers=None, widths=None), X, y, None, layers=[[6, 6, 6], [4], [6]])
    made = make_head("cooccurrence-published", "classification", 2)
    assert (made.as_published, made.seed) == (True, 2)
