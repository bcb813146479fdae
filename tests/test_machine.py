"""A network and its optimiser as machines: whatever is done to them in whatever order, what should not change does not.

Hypothesis draws sequences of the rules below and shrinks those that break an assertion. From the first `save` on, every
rule is done to the original and to a fresh copy that loaded its state, and both must stay equal in every bit.
"""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import numgan as ng
from numgan import InputError, Tensor, bce_with_logits
from numgan.network import load_arrays

SEEDS = st.integers(0, 2**32 - 1)
SHAPE = (4, 5, 2)


class Trainee:
    """A network, its optimiser, and the generator that dropout draws from."""

    def __init__(self, layers, optimizer, seed):
        self.rng = np.random.default_rng(seed)
        self.net = ng.Sequential(*layers(), input_shape=SHAPE, rng=self.rng)
        self.optimizer = optimizer(self.net.parameters())
        self.blocks = []  # the frozen() contexts that are open

    def part(self, layer):
        """The whole network (None) or one of its layers."""
        return self.net if layer is None else self.net.stack[layer]

    def freeze(self, layer):
        self.blocks.append(self.part(layer).frozen())
        self.blocks[-1].__enter__()

    def unfreeze(self):
        self.blocks.pop().__exit__(None, None, None)

    def snapshot(self):
        """Name -> bytes, dtype and shape of all that a run consists of."""
        found = {name: (a.tobytes(), a.dtype, a.shape) for name, a in (self.net.state() | self.optimizer.state()).items()}
        return found | {"rng": (str(self.rng.bit_generator.state),)}

    def changes(self, before):
        """The names of what has changed since that snapshot."""
        return {name for name, value in self.snapshot().items() if value != before[name]}


def batch(seed, n):
    """Images with a mean and a deviation, so that batch statistics move; targets 0 and 1."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.5, 1.5, (n, *SHAPE)).astype(np.float32), rng.integers(0, 2, (n, 1)).astype(np.float32)


class Machine(RuleBasedStateMachine):
    """Rules for a Trainee; the model is: `training`, `frozen` (one entry per open block), the number of steps `t`."""

    @initialize(seed=SEEDS)
    def build(self, seed):
        self.copies = [Trainee(self.layers, self.optimizer, seed)]
        self.training, self.frozen, self.t = True, [], 0
        self.outline = {name: value[1:] for name, value in self.copies[0].snapshot().items()}
        self.norms = [f"{i}_BatchNorm" for i, layer in enumerate(self.layers()) if isinstance(layer, ng.BatchNorm)]
        self.first_norm = int(self.norms[0].partition("_")[0])

    def frozen_names(self):
        """The parameters that are frozen now."""
        names = {name for name, item in self.copies[0].net.walk() if isinstance(item, ng.Parameter)}
        return {name for name in names if any(i is None or name.startswith(f"{i}_") for i in self.frozen)}

    def moving_statistics(self):
        """The buffers that a forward pass changes."""
        norms = [n for n in self.norms if self.training and f"{n}.gamma" not in self.frozen_names()]
        return {f"{n}.{buffer}" for n in norms for buffer in ("mean", "variance")}

    # ---- modes

    @rule(training=st.booleans())
    def switch_mode(self, training):
        for c in self.copies:
            before = c.snapshot()
            c.net.train() if training else c.net.eval()
            assert not c.changes(before)
        self.training = training

    @precondition(lambda self: len(self.frozen) < 3)
    @rule(data=st.data())
    def freeze(self, data):
        layer = data.draw(st.none() | st.integers(0, len(self.copies[0].net.stack) - 1))
        for c in self.copies:
            before = c.snapshot()
            c.freeze(layer)
            assert not c.changes(before)
        self.frozen.append(layer)

    @precondition(lambda self: self.frozen)
    @rule()
    def unfreeze(self):
        for c in self.copies:
            before = c.snapshot()
            c.unfreeze()
            assert not c.changes(before)
        self.frozen.pop()

    # ---- passes

    @rule(seed=SEEDS, n=st.integers(2, 4))
    def forward(self, seed, n):
        """Moves nothing but batch statistics, and dropout's generator."""
        x, _ = batch(seed, n)
        outputs = []
        for c in self.copies:
            before, norm, h = c.snapshot(), c.net.stack[self.first_norm], Tensor(x)
            for layer in c.net.stack[:self.first_norm]:
                h = layer(h)
            rows = h.data.astype(np.float64).reshape(-1, h.shape[-1])
            moved = [norm.momentum * old + (1 - norm.momentum) * new
                     for old, new in ((norm.mean, rows.mean(0)), (norm.variance, rows.var(0, ddof=1)))]
            outputs.append(c.net(x))
            assert outputs[-1].requires_grad == (self.frozen_names() != {p.name for p in c.net.parameters()})
            assert c.changes(before) == self.moving_statistics() | ({"rng"} if self.training else set())
            if f"{self.norms[0]}.mean" in self.moving_statistics():
                np.testing.assert_allclose([norm.mean, norm.variance], moved, rtol=1e-4, atol=1e-5)
        assert all(y.data.tobytes() == outputs[0].data.tobytes() for y in outputs)

    @precondition(lambda self: not self.training)
    @rule(seed=SEEDS, n=st.integers(2, 4))
    def eval_is_pure(self, seed, n):
        """No state changes, the same input gives the same output, and its batch-mates do not matter."""
        x, _ = batch(seed, n)
        others = x.copy()
        others[1:] = 100 * batch(seed + 1, n - 1)[0]
        for c in self.copies:
            before = c.snapshot()
            y = c.net(x).data
            assert y.tobytes() == c.net(x).data.tobytes()
            np.testing.assert_allclose(c.net(others).data[0], y[0], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(c.net(x[:1]).data[0], y[0], rtol=1e-4, atol=1e-5)
            assert not c.changes(before)

    # ---- training

    @precondition(lambda self: not self.frozen_names())
    @rule(seed=SEEDS, n=st.integers(2, 4), steps=st.integers(1, 3))
    def train(self, seed, n, steps):
        """Every parameter moves as the formula says, every moment too, and t counts."""
        x, target = batch(seed, n)
        for _ in range(steps):
            self.t += 1
            for c in self.copies:
                before = {name: np.copy(a) for name, a in (c.net.state() | c.optimizer.state()).items()}
                statistics = self.moving_statistics()
                c.optimizer.minimize(bce_with_logits(c.net(x), target))
                after = c.net.state() | c.optimizer.state()
                assert after["t"] == self.t
                for p in c.net.parameters():
                    moments = [before[name] for name in (f"{p.name}.moment{k}" for k in (1, 2)) if name in before]
                    theta, *moments = self.formula(c.optimizer, before[p.name], p.grad, *moments)
                    np.testing.assert_allclose(after[p.name], theta, rtol=1e-4, atol=1e-6)
                    for k, moment in enumerate(moments, 1):
                        np.testing.assert_allclose(after[f"{p.name}.moment{k}"], moment, rtol=1e-4, atol=1e-10)
                buffers = c.net.state().keys() - {p.name for p in c.net.parameters()}
                assert {name for name in buffers if (after[name] != before[name]).any()} == statistics

    @precondition(lambda self: self.frozen_names())
    @rule(seed=SEEDS, n=st.integers(2, 4))
    def a_step_on_frozen_parameters_is_refused(self, seed, n):
        """Before any parameter, moment or step number has moved."""
        x, target = batch(seed, n)
        for c in self.copies:
            before, statistics = c.snapshot(), self.moving_statistics()
            with pytest.raises(InputError, match=r"no gradient reached|nothing that requires a gradient"):
                c.optimizer.minimize(bce_with_logits(c.net(x), target))
            assert c.changes(before) == statistics | ({"rng"} if self.training else set())

    @precondition(lambda self: self.frozen)
    @rule(seed=SEEDS, n=st.integers(2, 4))
    def gradients_flow_through_what_is_frozen(self, seed, n):
        """To the images, as in the generator's step, and to what is not frozen; but not to what is."""
        frozen, gradients = self.frozen_names(), []
        for c in self.copies:
            x = Tensor(batch(seed, n)[0], requires_grad=True)
            for p in c.net.parameters():
                p.grad = None
            before, statistics = c.snapshot(), self.moving_statistics()
            bce_with_logits(c.net(x), 1.0).backward()
            assert np.abs(x.grad).max() > 0
            assert {p.name for p in c.net.parameters() if p.grad is None} == frozen
            assert c.changes(before) == statistics | ({"rng"} if self.training else set())
            gradients.append(x.grad.tobytes())
        assert len(set(gradients)) == 1

    # ---- save and load

    @rule(seed=SEEDS)
    def save_and_load(self, seed):
        """A fresh object with the same state, mode and open blocks takes part in everything from now on."""
        original, fresh = self.copies[0], Trainee(self.layers, self.optimizer, seed)
        fresh.net.load_state({name: a.copy() for name, a in original.net.state().items()})
        load_arrays(fresh.optimizer.state(), {name: a.copy() for name, a in original.optimizer.state().items()}, "")
        fresh.rng.bit_generator.state = original.rng.bit_generator.state
        fresh.net.train(self.training)
        for layer in self.frozen:
            fresh.freeze(layer)
        self.copies = [original, fresh]

    @rule(wrong=st.sampled_from(["missing", "surplus", "shape", "dtype"]))
    def a_foreign_state_is_refused(self, wrong):
        """With nothing changed: names, shapes and dtypes must all be the same."""
        for c in self.copies:
            before = c.snapshot()
            state = {name: a + 1 for name, a in c.net.state().items()}
            last = list(state)[-1]
            value = state.pop(last)
            state |= {"missing": {}, "surplus": {last: value, "more": value}, "shape": {last: np.stack([value, value])},
                      "dtype": {last: value.astype(np.float64)}}[wrong]
            with pytest.raises(InputError, match=r"Sequential: .*expected .*, got "):
                c.net.load_state(state)
            assert not c.changes(before)

    # ---- always

    @invariant()
    def copies_are_equal_and_keep_names_dtypes_and_shapes(self):
        first, *others = [c.snapshot() for c in self.copies]
        assert all(other == first for other in others)
        assert {name: value[1:] for name, value in first.items()} == self.outline

    @invariant()
    def everything_is_finite(self):
        for c in self.copies:
            assert all(np.isfinite(a).all() for a in (c.net.state() | c.optimizer.state()).values())

    @invariant()
    def flags_are_as_the_open_blocks_say(self):
        for c in self.copies:
            assert {p.name for p in c.net.parameters() if not p.requires_grad} == self.frozen_names()
            assert {layer.training for layer in c.net.stack} == {self.training}

    def teardown(self):
        for c in getattr(self, "copies", []):
            while c.blocks:
                c.unfreeze()
            assert all(p.requires_grad for p in c.net.parameters())


class AdamMachine(Machine):
    """A discriminator with everything in it, and Adam."""

    @staticmethod
    def layers():
        return [ng.Conv2D(3, 3, strides=2), ng.BatchNorm(), ng.LeakyReLU(), ng.Dropout(0.3), ng.Flatten(), ng.Dense(6),
                ng.BatchNorm(momentum=0.8), ng.LeakyReLU(0.1), ng.Dropout(0.5), ng.Dense(1)]

    @staticmethod
    def optimizer(parameters):
        return ng.Adam(parameters, 0.01, beta1=0.5)

    def formula(self, o, theta, g, m, v):
        """Algorithm 1 of Kingma & Ba 2015, for step t."""
        m, v = o.beta1 * m + (1 - o.beta1) * g, o.beta2 * v + (1 - o.beta2) * g * g
        return theta - o.lr * (m / (1 - o.beta1**self.t)) / (np.sqrt(v / (1 - o.beta2**self.t)) + o.eps), m, v


class SGDMachine(Machine):
    """Batch normalisation of the images themselves, and SGD with momentum."""

    @staticmethod
    def layers():
        return [ng.BatchNorm(momentum=0.9), ng.Conv2D(2, (2, 3), padding="valid", use_bias=False), ng.Tanh(), ng.Dropout(0.2),
                ng.Flatten(), ng.Dense(1)]

    @staticmethod
    def optimizer(parameters):
        return ng.SGD(parameters, 0.1, momentum=0.9)

    def formula(self, o, theta, g, v):
        """v ← μ v + g, θ ← θ - lr v."""
        v = o.momentum * v + g
        return theta - o.lr * v, v


TestAdamMachine, TestSGDMachine = AdamMachine.TestCase, SGDMachine.TestCase
TestAdamMachine.settings = TestSGDMachine.settings = settings(stateful_step_count=20)


def test_frozen_restores_its_parameters_after_an_exception_and_when_nested():
    net = Trainee(AdamMachine.layers, AdamMachine.optimizer, 0).net
    with net.stack[0].frozen() as part:
        assert part is net.stack[0]
        with pytest.raises(KeyError), net.frozen():
            raise KeyError
        assert {p.name for p in net.parameters() if not p.requires_grad} == {"0_Conv2D.w", "0_Conv2D.b"}
    assert all(p.requires_grad for p in net.parameters())


def test_the_generators_step_holds_no_vjp_of_a_frozen_discriminator():
    rng = np.random.default_rng(0)
    g = ng.Sequential(ng.Dense(40), ng.ReLU(), ng.Reshape(*SHAPE), input_shape=(3,), rng=rng)
    d = Trainee(AdamMachine.layers, AdamMachine.optimizer, 1).net
    z = rng.standard_normal((5, 3)).astype(np.float32)

    def reached(node):
        """The parameters that backward() from this node would come to."""
        parents = [parent for parent, _ in node.parents]
        return {id(p) for p in parents if isinstance(p, ng.Parameter)}.union(*map(reached, parents))

    with d.frozen():
        in_step_of_g = bce_with_logits(d(g(z)), 1.0)
    in_step_of_d = bce_with_logits(d(g(z).detach()), 0.0)
    assert reached(in_step_of_g) == set(map(id, g.parameters()))
    assert reached(in_step_of_d) == set(map(id, d.parameters()))
    in_step_of_g.backward()
    assert all(p.grad is None for p in d.parameters())
    assert all(np.abs(p.grad).max() > 0 for p in g.parameters())
