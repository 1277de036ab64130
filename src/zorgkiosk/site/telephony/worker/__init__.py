"""The call worker: one process, one caller, one thread.

`signals` (what the telephone network and the state machine say to each other) · `call` (the state of the one call,
pure) · `headers` (what the front says about a caller, and what may be said to others, pure) · `playlist` (which
announcement when, pure) · `watch` (is audio still arriving, pure) · `link` (the socket to the line) · `sip` (the only
importer of pjsua2) · `loop` (turns it all) · `__main__` (starts it).
"""
