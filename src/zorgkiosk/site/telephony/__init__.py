"""The triage line. Start at `line.py`; `worker.py` alone imports pjsua2; `front.py` renders Kamailio's config."""
