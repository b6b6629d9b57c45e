"""From a trained network to one self-describing artefact, and the proof that it computes the same."""
