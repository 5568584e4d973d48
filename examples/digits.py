"""Train the thesis's small MLP on scikit-learn's digits for a few seconds and save its weights.

python examples/digits.py digits.safetensors
"""

import sys

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
digits = load_digits()
images = torch.from_numpy(digits.data).float() / 16
labels = torch.from_numpy(digits.target)


class MLP(nn.Module):
    """64-128-64-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 128), nn.Linear(128, 64), nn.Linear(64, 10)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits [batch, 10] of images [batch, 64]."""
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


model = MLP()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
for _ in range(60):
    for batch in torch.randperm(len(images)).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
accuracy = (model(images).argmax(1) == labels).float().mean()
save_file(model.state_dict(), sys.argv[1])
print(f"trained to {accuracy:.1%}, saved {sys.argv[1]}")
