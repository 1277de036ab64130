"""`zorgkiosk simulate`: what is printed, written and drawn, and what is refused."""

import csv
from pathlib import Path
from xml.etree import ElementTree

import pytest

from zorgkiosk.cli import main
from zorgkiosk.lab.simulator.demand import PRESETS
from zorgkiosk.lab.simulator.levels import checks
from zorgkiosk.lab.simulator.report import columns, erlang_table
from zorgkiosk.lab.simulator.service import spread
from zorgkiosk.overflow.forecast import Norms

SVG = "{http://www.w3.org/2000/svg}"


def simulate(*arguments: str) -> int:
    return main(["simulate", *arguments])


def words(picture: Path) -> str:
    return " ".join(each.text or "" for each in ElementTree.parse(picture).iter(f"{SVG}text"))  # noqa: S314


@pytest.mark.long
def test_a_comparison_is_printed_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, picture = tmp_path / "runs.csv", tmp_path / "runs.svg"
    assert simulate("--calls", "200", "--seed", "5", "--csv", str(table), "--plot", str(picture)) == 0
    shown = capsys.readouterr()
    assert "10 centres, 25 triagists, 121 calls an hour" in shown.out and "answered within 2 min" in shown.out
    assert "overflow: done" in shown.err
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [(row["policy"], row["seed"]) for row in rows] == [
        (policy, str(seed)) for policy in ("islands", "overflow") for seed in range(5, 10)
    ]
    assert all(0.0 < float(row["in_2min"]) <= 1.0 for row in rows)
    assert [row["calls"] for row in rows[:5]] == [row["calls"] for row in rows[5:]], "both answer the same calls"
    assert "The same 25 triagists" in words(picture) and "norm 75 %" in words(picture)


@pytest.mark.long
def test_a_staffing_search_is_printed_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, picture = tmp_path / "staff.csv", tmp_path / "staff.svg"
    wanted = ("--staffing", "--haps", "10", "--preset", "A", "--calls", "100")
    assert simulate(*wanted, "--csv", str(table), "--plot", str(picture)) == 0
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    islands, overflow = ([int(r["triagists"]) for r in rows if r["policy"] == p] for p in ("islands", "overflow"))
    assert len(islands) == 10 and len(overflow) == 1 and sum(overflow) < sum(islands)
    assert "A: 10 islands" in capsys.readouterr().out
    assert f"need {sum(overflow)} triagists instead of {sum(islands)}" in words(picture)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--triagists", "9"), "at least 10 triagists"),
        (("--load", "0"), "--load"),
        (("--haps", "0"), "--haps"),
        (("--calls", "1"), "--calls"),
        (("--staffing", "--haps", "-1"), "--haps"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_sentence(
    arguments: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(*arguments) == 2
    said = capsys.readouterr().err
    assert problem in said and len(said.splitlines()) == 1


def test_the_erlang_table_is_the_printed_one_with_the_gap_of_the_urgent_norm() -> None:
    rows = [line.split() for line in erlang_table(Norms()).splitlines()[2:]]
    assert [row[-6:] for row in rows] == [
        ["81", "81", "+0", "85", "85", "+0"],
        ["110", "121", "+11", "110", "121", "+11"],
        ["125", "150", "+25", "125", "150", "+25"],
        ["330", "330", "+0", "330", "330", "+0"],
        ["283", "302", "+19", "277", "308", "+31"],
    ]


@pytest.mark.long
def test_the_simulator_is_checked_against_the_formula() -> None:
    region, _ = checks(PRESETS["A"], Norms(), 5000, range(2))
    assert region.triagists == 10 and region.formula == pytest.approx((0.903, 0.997, 0.882), abs=0.001)
    assert spread(region.played, lambda run: run.in_short).mean == pytest.approx(region.formula[0], abs=0.03)


def test_columns_line_up() -> None:
    assert columns(("a", "b"), [("long", "1"), ("x", "22")]) == "a      b\n----  --\nlong   1\nx     22"
