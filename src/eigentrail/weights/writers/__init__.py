"""Writing changed tensors back, one module for each format of `readers`."""
