"""A stop on its whole way: a hand on the panel, the site's sync, a real broker, the real hub, its board."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lab_region import CLOCK, Region, running_sync, wait_for
from real_hub import RealHub

from zorgkiosk.capacity.freshness import Fresh
from zorgkiosk.hub.board.view import Board, board
from zorgkiosk.hub.config import HubSite
from zorgkiosk.hub.outlook import Outlook
from zorgkiosk.site.config import CapacityItem
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.panel.known import Look
from zorgkiosk.site.panel.rounds import Rounds
from zorgkiosk.site.panel.tile import tile
from zorgkiosk.site.store import Store

pytest_plugins = ["sync_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def test_a_stop_is_on_the_board_until_its_end_and_its_tile_says_that_it_arrived(region: Region, hub: RealHub) -> None:
    plain = region.site("hap-west")
    seh = CapacityItem(code="seh")
    config = plain.model_copy(update={"capacity": (seh,), "panel": plain.panel.model_copy(update={"undo_s": 0.2})})
    panel = Store.open(config.panel_db, "panel", CLOCK)
    taps, look = Taps(config, panel, CLOCK), Look.of(config, CLOCK)
    rounds = Rounds(look, taps)
    taps.choose("seh", "stop")
    taps.reason("seh", "personeel", on=True)
    taps.end("seh", "2-uur")

    def arrived() -> bool:
        rounds.beat(CLOCK.uptime_s())
        return tile(look.known(), seh).way.startswith("regio heeft het ✓")

    outlook = Outlook.on(f"sqlite:///{hub.database}", [HubSite(name="hap-west", title="Ziekenhuis", kind="seh")])

    def seen(later: timedelta = timedelta()) -> Board:
        return board("Regio", outlook.reports(), datetime.now(UTC) + later)

    with running_sync(config):
        wait_for(arrived, "the tile says that the region has it", within_s=20)
        wait_for(lambda: [row.reported for row in seen().rows] == [True], "the board has the state")
        wait_for(lambda: [cell and cell.status for cell in seen().rows[0].cells] == ["stop"], "the board has the stop")
        ((cell,),) = [row.cells for row in seen().rows]  # while sync runs: of a site that said goodbye nothing is known
    assert cell is not None and (cell.status, cell.grade, cell.reason) == ("stop", "shut", "personeel")
    assert cell.until is not None and timedelta(minutes=118) < cell.until - datetime.now(UTC) < timedelta(minutes=126)
    assert cell.note.startswith("te weinig personeel, tot ")
    (gone,) = seen(timedelta(seconds=70)).rows[0].cells
    assert gone is not None and gone.fresh is Fresh.UNKNOWN and gone.status is None, "a silent site says nothing"
    outlook.close()
    look.close()
    panel.close()
