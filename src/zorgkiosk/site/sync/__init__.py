"""How a site's stores reach the hub: `relay.py` reads and decides what to send, `uplink.py` speaks MQTT."""
