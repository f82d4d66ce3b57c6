"""CartPole (Barto, Sutton and Anderson 1983, as in Gym's CartPole-v1) as an environment of `jcenas.alloc`."""

import jax
import jax.numpy as jnp

from jcenas.alloc.environment import Environment, Step

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
ANGLE, PLACE, MOST_STEPS = 12 * 2 * jnp.pi / 360, 2.4, 500


def cartpole() -> Environment:
    """The environment; the state is (x, its speed, angle, its speed) and the number of steps."""

    def reset(key: jax.Array):
        state = jax.random.uniform(key, (4,), jnp.float32, -0.05, 0.05)
        return (state, jnp.int32(0)), state

    def step(key: jax.Array, state, action: jax.Array) -> Step:
        del key
        (x, dx, angle, turn), n = state
        force = jnp.where(action == 1, FORCE, -FORCE)
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        push = (force + POLE * HALF_LENGTH * turn**2 * sine) / (CART + POLE)
        bend = GRAVITY * sine - cosine * push
        spin = bend / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / (CART + POLE)))
        drive = push - POLE * HALF_LENGTH * spin * cosine / (CART + POLE)
        new = jnp.stack([x + TAU * dx, dx + TAU * drive, angle + TAU * turn, turn + TAU * spin])
        fell = (jnp.abs(new[0]) > PLACE) | (jnp.abs(new[2]) > ANGLE)
        return Step((new, n + 1), new, jnp.float32(1.0), fell, ~fell & (n + 1 >= MOST_STEPS))

    return Environment(reset, step, 4, 2)
