"""What `dyadwatch bench` measures, one subject a file."""
