"""A new version on a box that nobody visits: signed, into the other of two directories, back when it does not work."""
