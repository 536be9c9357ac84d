"""Is the training chaotic? A twin in a PyTorch loop of your own: three more lines.

Run it with `python examples/torch_loop.py`.
"""

from __future__ import annotations

import numpy as np
import torch

import chaotrain as ct


def train(model, optimizer, batch):
    """One step, as any loop takes it: clipped here."""
    inputs, labels = batch
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(inputs), labels).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def main(lr: float, epochs: int = 20) -> None:
    """Train on the digits, and print the exponent."""
    torch.manual_seed(0)
    task = ct.tasks.load("digits")
    inputs = torch.from_numpy(np.array(task.inputs, np.float32).reshape(len(task.inputs), -1))
    data = torch.utils.data.TensorDataset(inputs, torch.from_numpy(np.array(task.targets)).long())
    loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True)
    layers = torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Dropout(0.1)
    model = torch.nn.Sequential(*layers, torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    twin = ct.torch.Twin(model, optimizer)  # 1: a shadow of the model
    for _ in range(epochs):
        for batch in loader:
            twin.remember()  # 2: before the step
            train(model, optimizer, batch)
            twin.follow(train, batch)  # 3: the same step, on the shadow
    found = twin.exponent(start=20)
    print(f"lr = {lr}: {found.rate:.3f} a step, 95% interval [{found.low:.3f}, {found.high:.3f}]")


if __name__ == "__main__":
    for lr in (0.1, 20.0):
        main(lr)
