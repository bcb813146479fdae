"""Optimisers against their papers' formulas, one number at a time."""

import numpy as np
from hypothesis import strategies as st

from numgan import SGD, Adam, Parameter

from . import reference as ref

ADAM = {"lr": st.sampled_from([1e-3, 0.1]), "beta1": st.sampled_from([0.0, 0.5, 0.9]),
        "beta2": st.sampled_from([0.9, 0.999]), "eps": st.sampled_from([0.0, 1e-8, 1e-3, 0.1])}


def drawn_parameters(seed, steps):
    """Float64 parameters in every layout, one a single number, one empty; and gradients for them, also in every layout."""
    rng = np.random.default_rng(seed)
    layouts = {"C": lambda x: x, "Fortran": np.asfortranarray, "reversed": lambda x: x[::-1].copy()[::-1],
               "strided": lambda x: np.repeat(x, 2, 0)[::2]}
    parameters = [Parameter(layout(rng.standard_normal((3, 2))), name) for name, layout in layouts.items()]
    parameters += [Parameter(rng.standard_normal(()), "number"), Parameter(np.zeros((0, 2)), "empty")]
    anyhow = [*layouts.values()]
    return parameters, [[anyhow[rng.integers(4)](rng.standard_normal(p.shape)) if p.ndim else rng.standard_normal(())
                         for p in parameters] for _ in range(steps)]


def run(optimizer, gradients):
    """One step per list of gradients."""
    for step in gradients:
        for p, g in zip(optimizer.parameters, step, strict=True):
            p.grad = np.asarray(g)
        optimizer.step()


def adam_equals_scalar_loop(seed, options, steps=7):
    """Every element moves as Algorithm 1 says, whatever happens to the others."""
    parameters, gradients = drawn_parameters(seed, steps)
    before = [p.data.copy() for p in parameters]
    run(Adam(parameters, **options), gradients)
    for i, p in enumerate(parameters):
        for index in np.ndindex(p.shape):
            expected = ref.adam(before[i][index], [step[i][index] for step in gradients], **options)
            assert abs(p.data[index] - expected) <= 1e-12, f"{p.data[index]} against {expected}"


def adam_s_corrections_never_end():
    """In step 5,001, v is still divided by 1 - 0.999⁵⁰⁰¹ = 0.993."""
    adam = Adam([Parameter(np.array([1.0]))], 0.1)
    adam.t[...], adam.moments[0][0][...], adam.moments[1][0][...] = 5000, 0.3, 0.2
    run(adam, [[[0.5]]])
    m, v = 0.9 * 0.3 + 0.1 * 0.5, 0.999 * 0.2 + 0.001 * 0.25
    expected = 1 - 0.1 * m / (1 - 0.9**5001) / ((v / (1 - 0.999**5001)) ** 0.5 + 1e-8)
    np.testing.assert_allclose(adam.parameters[0].data, expected, rtol=1e-12)


def sgd_equals_scalar_loop(seed, lr, momentum, steps=5):
    """v ← μ v + g, θ ← θ - lr v."""
    parameters, gradients = drawn_parameters(seed, steps)
    expected = [p.data.copy() for p in parameters]
    velocity = [0.0] * len(parameters)
    run(SGD(parameters, lr, momentum=momentum), gradients)
    for step in gradients:
        for i, g in enumerate(step):
            velocity[i] = momentum * velocity[i] + g
            expected[i] = expected[i] - lr * velocity[i]
    for p, e in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(p.data, e, rtol=1e-12)
