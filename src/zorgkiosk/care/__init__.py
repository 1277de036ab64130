"""What a technician does on a box: check and show its config, ask how it is, switch to a new config, start afresh."""
