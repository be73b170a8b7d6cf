"""Publishing: the night's ranking as versioned files with a status, and an atomic `latest`."""
