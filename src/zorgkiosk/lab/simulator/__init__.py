"""A region that exists only in memory: callers by chance, triagists at desks, and the appliance's own decisions.

Start with `play.py`: it moves the clock from event to event and asks `overflow.decide` what each centre's line would
do. `demand.py` says who calls, `centre.py` what a centre knows, `service.py` what came of it, `staffing.py` how few
triagists do; `command.py` prints, writes and draws.
"""
