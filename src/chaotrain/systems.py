"""The training map that an experiment describes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chaotrain import networks, optimizers, tasks
from chaotrain.experiment import Experiment
from chaotrain.fields import NetworkFields
from chaotrain.importing import load_function
from chaotrain.training import Penalty, TrainingMap


def system_of(settings: Experiment, data_dir: str | Path | None = None) -> TrainingMap:
    """The training map that an experiment describes.

    Args:
        settings: The experiment.
        data_dir: The folder of data that is not bundled; see `tasks.load`.

    Raises:
        UserError: On an unknown name, a size above the data's, or a network that does not fit.
    """
    fields, rule = settings.network, settings.optimizer
    optimizer = optimizers.named(rule.name, rule.options, rule.schedule, settings.weight_decay)
    if fields.function is None:
        networks.mlp([1, 1], fields.activation, fields.init)  # before the data is read
    task = tasks.load(
        settings.task,
        settings.train_size,
        settings.test_size,
        loss=settings.loss,
        data_dir=data_dir,
    )
    return TrainingMap(
        _network_of(fields, task),
        task,
        optimizer,
        settings.dtype,
        penalty=Penalty(settings.l1, settings.l2),
        batch_size=settings.batch_size,
        augment=load_function(settings.augment, "augment") if settings.augment else None,
        noise=settings.noise,
        measured=settings.measured,
    )


def _network_of(fields: NetworkFields, task: tasks.Task) -> networks.Network:
    shape, outputs = task.shape or task.inputs.shape[1:], task.outputs
    if fields.function is not None:
        return networks.from_function(fields.function, shape, outputs, fields.options)
    hidden, usual = fields.hidden or [], (fields.activation, fields.init, fields.scale)
    if fields.kind == "cnn":
        convolutions = (fields.channels, fields.kernel, hidden)
        return networks.cnn(shape, outputs, *convolutions, *usual, pooling=fields.pooling)
    layers = [int(np.prod(shape)), *hidden, outputs]
    return networks.mlp(layers, *usual, dropout=fields.dropout)
