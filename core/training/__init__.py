"""From normal clips to a trained scorer. Imports torch."""
