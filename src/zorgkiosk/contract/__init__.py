"""What sites and the hub say to each other, version 1. Imports nothing else of the product.

`events` are the five kinds and their CloudEvents envelope, `topics` where they travel, `status` the messages that
are about the present: a site's state, the hub's acks. A reader ignores fields it does not know; what it cannot
read raises `ContractError` with one sentence, and the caller sets it aside and counts it.
"""
