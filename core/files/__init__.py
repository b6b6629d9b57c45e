"""Files on the disk: whole or not at all, bounded before anything of them is unfolded, values alone."""
