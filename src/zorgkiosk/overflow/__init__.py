"""What we decide: the waiting line, the norm forecast, `decide()`. Pure: no clock, no socket, no database."""
