import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets.layers.convolution import conv
from jcenas.runtime import compilation, sharding
from jcenas.runtime.compilation import Program


@pytest.fixture
def forget():
    """The options are looked for once in a process."""
    compilation.compiler_options.cache_clear()
    yield
    compilation.compiler_options.cache_clear()


def test_the_program_computes_what_jax_jit_computes(key):
    x, kernel = jax.random.normal(key, (2, 8, 8, 20)), jax.random.normal(key, (3, 3, 20, 20))
    loss = jax.value_and_grad(lambda x, kernel: jnp.sum(jnp.sin(conv(x, kernel))), (0, 1))
    ours, theirs = compilation.jit(loss)(x, kernel), jax.jit(loss)(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), ours, theirs)


def test_options_of_jit_pass_through():
    assert compilation.jit(lambda x, n: x[:n], static_argnums=1)(jnp.arange(4), 2).shape == (2,)


def test_convolutions_are_taken_from_ynnpack_and_products_left_to_it():
    x, kernel = jnp.ones((2, 8, 8, 32)), jnp.ones((3, 3, 32, 32))

    def by_ynnpack(jit, f, *of):
        return "ynn_fusion" in jit(f).lower(*of).compile().as_text()

    assert not by_ynnpack(compilation.jit, conv, x, kernel)
    product = (jnp.dot, x[0, 0], kernel[0, 0])
    assert by_ynnpack(compilation.jit, *product) == by_ynnpack(jax.jit, *product)


def test_a_jaxlib_without_the_options_and_accelerators_get_none(forget, monkeypatch):
    assert compilation.compiler_options("gpu") == {}
    monkeypatch.setattr(compilation, "_ON_CPU", {"xla_cpu_that_never_was": "1"})
    assert compilation.compiler_options("cpu") == {}
    assert compilation.jit(lambda x: x + 1)(1) == 2


@pytest.mark.devices(2)
def test_a_program_on_a_second_device_is_traced_once_and_computes_the_same():
    first, second = sharding.local_devices(2)
    traced = []

    def double(x, by):
        traced.append(x.shape)
        return {"twice": 2 * x, "by": x @ by}

    x, by = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.ones((3, 2), np.float32)
    one = Program(double, x, by, device=first, donate_argnums=0)
    other = one.on(second)
    third = other.on(first)
    assert traced == [(2, 3)]
    for program, device in ((one, first), (other, second), (third, first)):
        found = program(*sharding.place((x, by), device))
        np.testing.assert_array_equal(found["twice"], 2 * x)
        np.testing.assert_array_equal(found["by"], [[3, 3], [12, 12]])
        assert found["twice"].devices() == {device}
    with pytest.raises(ValueError, match=r"sharding|device"):  # it is bound to its device
        one(*sharding.place((x, by), second))


def test_what_the_compiler_refuses_is_raised_where_it_is_waited_for():
    def callback_of_another_platform(x):
        return jax.ffi.ffi_call("no_such_target", jax.ShapeDtypeStruct(x.shape, x.dtype))(x)

    program = Program(callback_of_another_platform, np.ones(3, np.float32), device=sharding.local_devices(1)[0])
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_target"):
        program.wait()
