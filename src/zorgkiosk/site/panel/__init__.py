"""What staff see and tap at a site."""
