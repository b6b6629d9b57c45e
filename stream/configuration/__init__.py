"""The options of the live path: types, files, flags and checks."""
