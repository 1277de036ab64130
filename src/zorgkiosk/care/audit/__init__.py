"""The journals as evidence: written out with their chains, and proved to be whole or not."""
