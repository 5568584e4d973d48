"""One module per format; each lists the tensors of one file or object without reading their numbers."""
