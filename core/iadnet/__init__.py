"""IADNet (arXiv 2512.13560) in PyTorch: the encoder, the normalizing flow and the exported graph."""
