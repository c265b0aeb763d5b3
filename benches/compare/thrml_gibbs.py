"""Two-colour block Gibbs in THRML on the graphs of benches/spins.rs: spin updates per second, and the time to the first.

    taskset -c 0 .venv/bin/python benches/compare/thrml_gibbs.py
"""

import importlib.metadata
import time

import jax
import jax.numpy as jnp
from thrml import Block, SamplingSchedule, SpinNode, sample_states
from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init

CHAINS, SWEEPS = 32, 64


def edges(side, rules):
    pairs = set()
    for x in range(side):
        for y in range(side):
            for a, b in rules:
                for u, v in ((x + a, y + b), (x - b, y + a), (x - a, y - b), (x + b, y - a)):
                    if 0 <= u < side and 0 <= v < side:
                        i, j = x + side * y, u + side * v
                        pairs.add((min(i, j), max(i, j)))
    return sorted(pairs)


def timed(name, side, rules):
    begun = time.perf_counter()
    nodes = [SpinNode() for _ in range(side * side)]
    pairs = edges(side, rules)
    model = IsingEBM(
        nodes,
        [(nodes[i], nodes[j]) for i, j in pairs],
        jnp.full(len(nodes), 0.1),
        jnp.full(len(pairs), 0.1),
        jnp.asarray(1.0),
    )
    colour = lambda i: (i % side + i // side) % 2
    blocks = [Block([n for i, n in enumerate(nodes) if colour(i) == c]) for c in range(2)]
    program = IsingSamplingProgram(model, blocks, clamped_blocks=[])
    schedule = SamplingSchedule(n_warmup=SWEEPS - 1, n_samples=1, steps_per_sample=1)
    key = jax.random.key(1)
    start = hinton_init(key, model, blocks, (CHAINS,))
    keys = jax.random.split(key, CHAINS)
    run = jax.jit(
        jax.vmap(lambda k, s: sample_states(k, program, schedule, s, [], [Block(nodes)]))
    )
    jax.block_until_ready(run(keys, start))
    first = time.perf_counter() - begun
    best = 1e9
    for _ in range(5):
        now = time.perf_counter()
        jax.block_until_ready(run(keys, start))
        best = min(best, time.perf_counter() - now)
    rate = SWEEPS * CHAINS * side * side / best
    print(f"{name:26} {rate:.3e} spin updates/s   (to the first sample: {first:.2f} s)")


version = importlib.metadata.version("thrml")
print(f"thrml {version}, jax {jax.__version__} on {jax.devices()[0]}")
timed("lattice-4-neighbours-4096", 64, [(0, 1)])
timed("lattice-12-neighbours-4900", 70, [(0, 1), (4, 1), (9, 10)])
