"""Who does what to whom with which limb, as data and as a sentence."""
