"""The panel in a browser: Flask on loopback, pages that work without JavaScript and live with it."""
