"""Windows of pairs, cut from the steps of a scene."""
