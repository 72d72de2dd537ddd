"""One file per verb: what the command line, the Python API and later the web call."""
