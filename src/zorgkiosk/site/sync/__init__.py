"""How a site's stores reach the hub, and what hub and partners say comes back.

`session.py` is the loop: start reading there. `connection.py` knows when to try again and `uplink.py` alone speaks
MQTT. `announcer.py` decides when the present is said, `present.py` what it is. `relay.py` decides which rows go next,
`window.py` counts what is on its way. `inbox.py` takes what comes in (`hearing.py` reads it, `partners.py` keeps what
partners said). `link.py` and `health.py` tell the panel and the hub how the link does.
"""
