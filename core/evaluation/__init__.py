"""Protocols that measure how well interactions are told apart, with baselines beside. May import torch."""
