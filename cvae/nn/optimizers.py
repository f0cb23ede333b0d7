"""Keras' Adam, with TensorFlow's fused kernel."""

import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from cvae.nn import replicas


@keras.saving.register_keras_serializable("cvae")
class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer` that asks all replicas for infinite gradients, not the first alone."""

    def check_finite(self, grads: Any) -> Any:
        return replicas.all_of(super().check_finite(grads))


def scaled(optimizer: Any, model: Any) -> Any:
    """An optimiser for a model: in float16 within one that scales the loss, so that gradients do not vanish; once only.

    See Micikevicius et al. 2017, arXiv 1710.03740.
    """
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return LossScaleOptimizer(optimizer) if model.compute_dtype == "float16" and not wrapped else optimizer


def own_optimizer(model: Any) -> Any:
    """The optimiser that a model was compiled with, which in float16 is in one that scales the loss; see `scaled`."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _dense(gradient):
    """A gradient as a tensor: that of an embedding on TensorFlow is a list of rows."""
    return ops.convert_to_tensor(gradient)


@keras.saving.register_keras_serializable("cvae")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that updates a variable in one pass over it (Kingma and Ba 2014).

    Keras 3 writes an update out in a dozen operations; on a CPU the fused kernel takes a third of their time, for few
    large variables as for many small ones. State, arguments and results are the same (see the tests), except that the
    gradient of an embedding is summed over a batch before it is squared, as on other backends. Those, and `amsgrad`,
    keep Keras' way.

    It also keeps the norm of the gradients, before they are clipped: see `mean_gradient_norm`. That is not saved.
    """

    def build(self, variables: Any) -> None:
        built = self.built
        super().build(variables)
        if not built:
            # The sum of the norms, and how many there were.
            self._norms = self.add_variable(shape=(2,), dtype="float32", name="gradient_norms")

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        # Before they are clipped and measured, which are of the whole batch's gradient.
        grads = replicas.summed(list(grads))
        super().apply(grads, trainable_variables)
        squares = [ops.sum(ops.square(ops.cast(_dense(grad), "float32"))) for grad in grads if grad is not None]
        self._norms.assign_add(ops.stack([ops.sqrt(sum(squares)), 1.0]))

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """What Keras does with gradients that `apply` has summed already: nothing."""
        return grads_and_vars

    def mean_gradient_norm(self) -> float:
        """The mean norm of the gradients of all steps since `reset_gradient_norm`."""
        total, count = np.asarray(self._norms)
        return float(total / max(count, 1))

    def reset_gradient_norm(self) -> None:
        """Begins a new mean."""
        if self.built:
            self._norms.assign(np.zeros(2, np.float32))

    def _saved_variables(self):
        return [variable for variable in self.variables if variable is not getattr(self, "_norms", None)]

    def save_own_variables(self, store: Any) -> None:
        for index, variable in enumerate(self._saved_variables()):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        variables = self._saved_variables()
        if len(store.keys()) != len(variables):
            # As Keras does: a model that was never trained has a file without them.
            found = len(store.keys())
            warnings.warn(f"the file has {found} variables of the optimiser, not {len(variables)}", stacklevel=2)
            return
        for index, variable in enumerate(variables):
            variable.assign(store[str(index)])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        dtype = variable.dtype
        step = ops.cast(self.iterations + 1, dtype)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=ops.power(ops.cast(self.beta_1, dtype), step),
            beta2_power=ops.power(ops.cast(self.beta_2, dtype), step),
            lr=ops.cast(learning_rate, dtype),
            beta1=ops.cast(self.beta_1, dtype),
            beta2=ops.cast(self.beta_2, dtype),
            epsilon=ops.cast(self.epsilon, dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )
