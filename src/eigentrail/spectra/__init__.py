"""Spectra of matrices: arrays in, numbers out."""
