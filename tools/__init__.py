"""The command line `dyadwatch`: one verb a file; each parses, calls and prints."""
