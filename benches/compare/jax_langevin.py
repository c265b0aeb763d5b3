"""Euler-Maruyama in JAX on the same processes as benches/engine.rs, one line of numbers each.

    python -m venv .venv && .venv/bin/pip install -r benches/compare/requirements.txt
    taskset -c 0 .venv/bin/python benches/compare/jax_langevin.py
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

STEPS, CHAINS, H = 64, 32, 0.005


def timed(name, nodes, product):
    amplitude = (2 * H) ** 0.5

    def step(state, _):
        x, key = state
        key, now = jax.random.split(key)
        noise = jax.random.normal(now, x.shape, dtype=jnp.float32)
        force = 0.1 + 2.0 * x - 4.0 * x**3 + product(x)
        return (jnp.clip(x + H * force + amplitude * noise, -4.0, 4.0), key), None

    run = jax.jit(lambda state: jax.lax.scan(step, state, None, length=STEPS)[0])
    state = (jnp.zeros((nodes, CHAINS), jnp.float32), jax.random.key(1))
    start = time.perf_counter()
    state = jax.block_until_ready(run(state))
    compiled = time.perf_counter() - start
    best = min(once(run, state) for _ in range(10))
    rate = STEPS * CHAINS * nodes / best
    print(f"{name:12} {rate:.3e} node-steps/s   (first call, compilation included: {compiled:.2f} s)")


def once(run, state):
    start = time.perf_counter()
    jax.block_until_ready(run(state))
    return time.perf_counter() - start


def dense(n):
    i = np.arange(n)
    a = 0.2 / (1.0 + np.abs(i[:, None] - i[None, :]))
    np.fill_diagonal(a, 0.0)
    matrix = jnp.asarray(a, dtype=jnp.float32)
    return lambda x: matrix @ x


print(f"jax {jax.__version__} on {jax.devices()[0]}")
timed("ring-1024", 1024, lambda x: 0.2 * (jnp.roll(x, 1, 0) + jnp.roll(x, -1, 0)))
timed("dense-256", 256, dense(256))
timed("dense-1024", 1024, dense(1024))
