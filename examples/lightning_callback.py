"""Is the training chaotic? A callback for Lightning logs it.

Run it with `python examples/lightning_callback.py`, after pip install 'chaotrain[lightning]'.
"""

from __future__ import annotations

import lightning
import numpy as np
import torch

import chaotrain as ct


class Digits(lightning.LightningModule):
    """A small network, as any module of Lightning is."""

    def __init__(self, lr: float) -> None:
        super().__init__()
        layers = torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10)
        self.network, self.lr = torch.nn.Sequential(*layers), lr

    def training_step(self, batch, batch_idx):
        """The loss of a batch."""
        inputs, labels = batch
        return torch.nn.functional.cross_entropy(self.network(inputs), labels)

    def configure_optimizers(self):
        """Descent with momentum."""
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


def main(lr: float) -> None:
    """Train on the digits, and print what the callback has logged."""
    lightning.seed_everything(0, verbose=False)
    task = ct.tasks.load("digits")
    inputs = torch.from_numpy(np.array(task.inputs, np.float32).reshape(len(task.inputs), -1))
    data = torch.utils.data.TensorDataset(inputs, torch.from_numpy(np.array(task.targets)).long())
    callback = ct.torch.LyapunovCallback()
    trainer = lightning.Trainer(
        max_epochs=20,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Digits(lr), torch.utils.data.DataLoader(data, batch_size=256, shuffle=True))
    exponent = trainer.callback_metrics["lyapunov/exponent"]
    print(f"lr = {lr}: {float(exponent):.3f} a step")


if __name__ == "__main__":
    for lr in (0.03, 3.0):
        main(lr)
