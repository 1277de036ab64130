"""`python -m zorgkiosk`."""

from zorgkiosk.cli import main

raise SystemExit(main())
