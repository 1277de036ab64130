"""Who runs: one composition root per unit, plain nested constructors."""
