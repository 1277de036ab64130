"""The triage line. Start at `line.py`; `worker/sip` alone imports pjsua2; `front.py` renders Kamailio's config."""
