"""How fast, how heavy, how hard to kill: `python -m zorgkiosk.lab.bench` measures a region from outside.

Start with `__main__.py`. `ground.py` is the region, larger than the demo's; `endpoint.py` is callers and desk phones
that cost next to nothing (`dialog.py`, `message.py`, `media.py`), so that what is measured is the appliance.
`delays.py`, `losses.py` and `weight.py` measure, `storage.py` what an event costs the card, `prediction.py` asks the
simulator, `figures.py` says what came of it.
"""
