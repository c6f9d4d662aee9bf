"""`RandomLayer`: the source of random numbers of every random layer here."""

from __future__ import annotations

import zlib
from typing import Any

import keras
import tensorflow as tf

# Draws are integers of this many bits, which a float32 in [0, 1) holds exactly.
_DRAW_BITS = 24


class RandomLayer(keras.layers.Layer):
    """The base of the random layers: a seed, its state, and uniform draws from it.

    The draws of a step depend on the seed, on how many steps came before, on the kind of layer (so that one seed for
    all layers doesn't tie a flip to a colour), and on the replica under a `tf.distribute` strategy. They don't depend
    on the batch size, nor on whether the step runs eagerly, as a `tf.function` or under XLA.

    `seed_generator.state` is a tracked variable and moves on by one each training step. Keras writes it to none of its
    formats, so an exact restart must save it: it is in `model.variables`, and not in `model.weights`.

    Args:
        seed: Any integer of 31 bits; None for another one each time.
        **kwargs: Those of `keras.layers.Layer`.
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def draw(self, batch_size: int | tf.Tensor, num_draws: int) -> tf.Tensor:
        """Draws uniform numbers for one step, and moves the seed on.

        Args:
            batch_size: How many images there are.
            num_draws: How many numbers each image needs.

        Returns:
            float32, (batch_size, num_draws), in [0, 1).
        """
        # XLA's floats differ from TensorFlow's for the same seed (2.16 and 2.21); its integers don't.
        numbers = tf.random.stateless_uniform(
            [batch_size, num_draws], self._step_seed(), minval=0, maxval=1 << _DRAW_BITS, dtype=tf.int32
        )
        return tf.cast(numbers, tf.float32) / (1 << _DRAW_BITS)

    def _step_seed(self) -> tf.Tensor:
        """Returns the next seed, int32, (2,), for this kind of layer on this replica."""
        # Keras keeps the state as int64 or uint32, and stateless ops under XLA take int32. All seeds here stay
        # positive: a negative one gives other numbers under XLA.
        state = tf.cast(tf.math.floormod(tf.cast(self.seed_generator.next(), tf.int64), tf.int32.max), tf.int32)
        salt = zlib.crc32(type(self).__name__.encode()) & tf.int32.max
        seed = tf.bitwise.bitwise_xor(state, [salt, 0])
        seed = tf.random.stateless_uniform([2], seed, minval=0, maxval=tf.int32.max, dtype=tf.int32)
        # Every replica has a copy of the state with the same value: the n-th image of each would get the same draw.
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32) if context else 0
        return tf.bitwise.bitwise_xor(seed, tf.stack([0, replica]))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        return {**super().get_config(), "seed": self.seed}
