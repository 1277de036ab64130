"""A region on one machine: simulated callers and desk phones, real servers on loopback, and the demo's story."""
