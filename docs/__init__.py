"""The pages of this folder, as a package, so that they are installed too: `dyadwatch docs` prints them."""
