"""How sources and the detector itself are doing."""
