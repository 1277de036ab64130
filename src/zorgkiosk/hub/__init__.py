"""What the region knows: intake writes it, the board shows it."""
