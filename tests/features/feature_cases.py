"""Features with known collapse, and the definitions written out with dense matrices."""

from __future__ import annotations

import torch


def simplex(classes: int, features: int, norm: float = 1.0, seed: int = 0) -> torch.Tensor:
    """[K, D] vertices of a simplex equiangular tight frame in random directions, float64."""
    generator = torch.Generator().manual_seed(seed)
    frame = torch.eye(classes, dtype=torch.float64) - 1.0 / classes
    frame /= frame.norm(dim=1)[:, None]
    turned, _ = torch.linalg.qr(torch.randn(features, classes, generator=generator, dtype=torch.float64))
    return norm * frame @ turned.T


def gaussians(
    means: torch.Tensor, per_class: int, spread: float, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Isotropic Gaussians around means [K, D]: features [K n, D] and labels, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(means)).repeat(per_class)
    noise = torch.randn(len(labels), means.shape[1], generator=generator, dtype=torch.float64)
    order = torch.randperm(len(labels), generator=generator)
    return (means[labels] + spread * noise)[order], labels[order]


def dense(
    features: torch.Tensor, labels: torch.Tensor, *, by_class: bool, by_sample: bool
) -> dict[str, float]:
    """NC1, D and CDNV from dense covariances: S_W by class or by sample, mu_G of samples or of class means."""
    classes = labels.unique()
    means = torch.stack([features[labels == k].mean(0) for k in classes])
    centre = features.mean(0) if by_sample else means.mean(0)
    covariances = [torch.cov(features[labels == k].T, correction=0) for k in classes]
    shares = [1 / len(classes) if by_class else float((labels == k).double().mean()) for k in classes]
    within = sum(share * one for share, one in zip(shares, covariances, strict=True))
    between = (means - centre).T @ (means - centre) / len(classes)
    assert isinstance(within, torch.Tensor)
    pairs = [
        float((covariances[a].trace() + covariances[b].trace()) / (2 * (means[a] - means[b]).square().sum()))
        for a in range(len(classes))
        for b in range(len(classes))
        if a != b
    ]
    return {
        "nc1": float((within @ torch.linalg.pinv(between, rtol=1e-11)).trace()),
        "d": float(within.trace() / between.trace()),
        "cdnv": sum(pairs) / len(pairs),
    }
