"""Whatever is wrong with what is typed or supplied: one sentence with place and remedy, the right code, no trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.commands.documents import BMKG, CAP

REPOSITORY = Path(__file__).resolve().parents[3]
BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]>' + CAP.format(status="Actual", info="&c;")
FOREIGN = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + CAP.format(status="Actual", info="&b;")


@pytest.mark.parametrize(
    "document",
    ["", "<alert", "<html/>", "not XML at all", BOMB, FOREIGN, CAP.format(status="Perhaps", info=""), "\0\1\2"],
    ids=["empty", "torn", "a web page", "text", "an entity bomb", "a foreign file", "a wrong value", "bytes"],
)
def test_malformed_and_hostile_xml(refused, document: str) -> None:
    assert "standard input" in refused("draft", "--cap", "-", stdin=document)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["draft"], "--hazard"),
        (["draft", "--hazard", "earthquak", "--set", "a=1"], "did you mean earthquake"),
        (["draft", "--hazard", "earthquake", "--set", "magnitude"], "name=value"),
        (["draft", "--hazard", "earthquake", "--cap", "a.xml"], "one source"),
        (["draft", "--cap", "/nowhere/a.xml"], "/nowhere/a.xml cannot be read"),
        (["draft", "--cap", "a.xml", "--drill", "--test"], "--drill or --test"),
        (["draft", "--bmkg", "-"], "standard input"),
        (["preview", "0000"], "no alert"),
        (["alert", "export", "0000"], "no alert"),
        (["status", "0000"], "no alert"),
        (["stop", "0000"], "no alert"),
        (["report", "0000"], "no alert"),
        (["retry", "0000"], "no alert"),
        (["log", "0000"], "no alert"),
        (["log", "--since", "yesterday"], "--since 'yesterday' is no time"),
        (["log", "verify", "--head", "/nowhere"], "/nowhere cannot be read"),
        (["resolve", "twelve", "--sent"], "DELIVERY"),
        (["resolve", "12"], "--sent or --not-sent"),
        (["sned"], "did you mean send"),
        (["retract", "0000"], "did you mean follow-up"),
        (["ABORT", "0000"], "did you mean stop"),
        (["send"], "CODE"),
        (["stop", "--now", "0000"], "--now"),
        (["status", "--watch"], "--watch"),
        (["follow-up", "0000", "--kind", "update"], "update"),
        (["people", "import", "/nowhere.csv"], "/nowhere.csv cannot be read"),
        (["--config", "/nowhere", "submit", "0000"], "/nowhere is not there"),
        (["login", "nobody", "--secret-file", "-"], "the secret is empty"),
        (["sandbox", "--port", "99999"], "99999"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_typed_wrong(refused, arguments: list[str], told: str) -> None:
    assert told in refused(*arguments)


@pytest.mark.parametrize("command", ["submit", "approve", "send", "resume"])
def test_without_a_config_nothing_can_leave(refused, command: str) -> None:
    assert "--config" in refused(command, "0000")


AREA = ("--set", "area=Manna")


def test_an_unknown_field_names_the_nearest(run) -> None:
    ran = run("draft", "--hazard", "earthquake", "--set", "magnitud=6")
    assert ran.code == 2
    assert "did you mean magnitude?" in ran.err


def test_a_draft_that_cannot_be_submitted_says_so_at_once_and_how_to_mend_it(run) -> None:
    drafted = run("draft", "--hazard", "weather", "--set", "phenomenon=storm", "--set", "place=Manna")
    assert drafted.code == 0
    (sentence,) = drafted.sentences
    assert "cannot be submitted" in sentence
    assert "--set area=NAME" in sentence
    named = run("draft", "--hazard", "volcano", "--set", "volcano=Semeru", "--set", "activity_level=iii", *AREA)
    assert not named.sentences
    assert "activity_level: iii" in named.out


def test_a_bad_number_names_field_value_and_example(run) -> None:
    ran = run("draft", "--hazard", "earthquake", "--set", "magnitude=strong")
    assert ran.code == 2
    assert "magnitude is 'strong'" in ran.err


def test_a_missing_value_is_asked_for_by_name(run) -> None:
    ran = run("draft", "--hazard", "earthquake", "--set", "magnitude=6")
    assert ran.code == 2
    assert "place is missing" in ran.err


# --- Lists of people ---


def test_a_bad_row_is_named_masked_and_imports_nothing(run, surroundings: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("phone,groups\n+628123456789,subscriber\n081,subscriber\n+62812345678901234,x\n")
    ran = run("people", "import", file)
    assert ran.code == 2
    assert "row 3, phone" in ran.err
    assert "row 4, phone" in ran.err
    assert "nothing was imported" in ran.err
    assert "8901234" not in ran.err
    assert "people.imported" not in run("log", "--json").out


def test_the_other_rows_are_imported_when_that_is_wanted(run, surroundings: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("phone,groups\n+628123456789,subscriber\n081,subscriber\n")
    ran = run("people", "import", file, "--skip-faulty", "--json")
    assert ran.code == 0
    assert (ran.json["added"], [each["row"] for each in ran.json["skipped"]]) == (1, [3])


def test_every_bad_row_is_in_a_file_where_one_is_named_and_the_first_on_the_screen(run, surroundings: Path) -> None:
    file, faults = surroundings / "people.csv", surroundings / "faults.txt"
    file.write_text("phone\n" + "".join(f"0{n}\n" for n in range(10, 40)))
    ran = run("people", "import", file, "--faults", faults)
    assert ran.code == 2
    assert len([line for line in ran.err.splitlines() if "row " in line and ", phone: " in line]) == 20
    assert "and 10 more rows; all are in" in ran.err
    assert [line.split(",")[0] for line in faults.read_text().splitlines()] == [f"row {n}" for n in range(2, 32)]
    assert faults.stat().st_mode & 0o077 == 0
    assert "is there already" in run("people", "import", file, "--faults", faults).err
    file.write_text("phone\n+628123456789\n")
    assert run("people", "import", file, "--faults", surroundings / "none.txt").code == 0
    assert not (surroundings / "none.txt").exists()


def test_a_complete_list_takes_off_whoever_is_not_on_it(run, surroundings: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("reference,phone\na,+628123456701\nb,+628123456702\n")
    run("people", "import", file)
    file.write_text("reference,phone\nb,+628123456702\nc,+628123456703\n")
    told = run("people", "import", file, "--replace", "--json").json
    assert (told["added"], told["updated"], told["removed"]) == (1, 1, 1)


def test_a_complete_list_takes_nobody_off_by_mistake(run, surroundings: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("reference,phone\n" + "".join(f"{name},+62812345670{n}\n" for n, name in enumerate("abcde")))
    run("people", "import", file)
    file.write_text("reference,phone\n")
    assert "5 are on the one in force; give --yes" in run("people", "import", file, "--replace").err
    file.write_text("reference,phone\na,+628123456700\nb,+628123456701\nc,12\n")
    faulty = run("people", "import", file, "--replace", "--skip-faulty", "--yes")
    assert (faulty.code, "with --replace they would leave the list" in faulty.err) == (2, True)
    file.write_text("reference,phone\na,+628123456700\nb,+628123456701\n")
    assert run("people", "import", file, "--replace").code == 2
    assert run("people", "import", file, "--replace", "--yes", "--json").json["removed"] == 3


# --- Config ---


def _break(config: Path, file: str, old: str, new: str) -> None:
    path = config / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("agency.yaml", "timezone:", "timezoen:", "timezoen: no such field"),
        ("agency.yaml", "name: BPBD", "name: [BPBD", "is not readable as YAML"),
        ("channels.yaml", "kind: cap_feed", "kind: carrier_pigeon", "'carrier_pigeon' is no channel"),
        ("channels.yaml", "mode: live", "mode: alive", "channels.feed-live.mode"),
        ("channels.yaml", "title: Peringatan\n", "title: Peringatan\n    audience: everyone\n", "audience"),
    ],
    ids=["a field", "the YAML", "a channel", "a mode", "an audience"],
)
def test_a_typo_in_the_config_names_file_and_field(run, config: Path, file: str, old: str, new: str, told: str) -> None:
    _break(config, file, old, new)
    for command in (["submit", "0000"], ["check"]):
        ran = run(*command)
        assert ran.code == 2
        assert told in ran.err + ran.out
        assert file in ran.err + ran.out


def test_check_finds_all_faults_at_once(run, config: Path) -> None:
    _break(config, "agency.yaml", "timezone:", "timezoen:")
    _break(config, "channels.yaml", "mode: live", "mode: alive")
    ran = run("check", "--json")
    assert ran.code == 2
    faults = [each["sentence"] for each in ran.json["checks"] if each["state"] == "fault"]
    assert any("timezoen" in fault for fault in faults)
    assert any("feed-live" in fault for fault in faults)


def test_check_finds_a_feed_whose_folder_is_not_there(run, config: Path, surroundings: Path) -> None:
    (surroundings / "feed-live").rmdir()
    ran = run("check")
    assert ran.code == 2
    assert f"channels.feed-live: The folder {surroundings / 'feed-live'} cannot be used now" in ran.out
    assert "No such file or directory" in ran.out


def test_a_wrong_config_does_not_keep_anybody_from_looking(run, config: Path) -> None:
    _break(config, "agency.yaml", "timezone:", "timezoen:")
    ran = run("status")
    assert ran.code == 0
    assert "timezoen" in ran.err


def test_a_missing_secret_is_named_without_a_value(run, config: Path) -> None:
    with (config / "channels.yaml").open("a") as file:
        file.write("  toot:\n    kind: mastodon\n    mode: live\n    base_url: https://m.example\n")
        file.write("    token: {env: KENTONGAN_TEST_ABSENT}\n")
    ran = run("check")
    assert ran.code == 2
    assert "KENTONGAN_TEST_ABSENT is not set" in ran.out


# --- Officers ---


def test_a_wrong_secret_is_refused(refused, as_officer) -> None:
    assert "wrong secret for officer siti" in refused("login", "siti", "--secret-file", "-", stdin="not hers\n", code=3)


def test_a_secret_cannot_be_asked_for_without_a_terminal(refused, as_officer) -> None:
    assert "--secret-file" in refused("login", "siti")


def test_an_unknown_officer_is_refused(refused) -> None:
    assert "no officer 'budi'" in refused("login", "budi", "--secret-file", "-", stdin="some secret words\n")


def test_nobody_logged_in_is_refused(refused, config: Path, run, as_officer) -> None:
    code = run("draft", "--bmkg", "-", "--json", stdin=BMKG).json["code"]
    assert "nobody is logged in" in refused("submit", code, code=3)


def test_no_input_that_a_sentence_repeats_steers_the_terminal(run) -> None:
    ran = run("status", "\x1b]0;stolen\x07\u202eK7Q4")
    assert ran.code == 2
    assert ran.err
    assert not {"\x1b", "\x07", "\u202e"} & set(ran.err)


def test_a_sentence_points_to_the_help_once_and_a_machine_without_a_config_to_init(refused) -> None:
    assert refused("whoami").count("--help") == 1
    assert "kentongan init" in refused("submit", "K7Q4")


def test_a_mistyped_drill_is_told_as_typed_with_the_drills_that_there_are(refused, config: Path, as_officer) -> None:
    as_officer("siti")
    said = refused("drill", "run", "nope")
    assert "'nope'" in said
    assert "kentongan drill list" in said


def test_a_schedule_that_is_none_is_refused_before_anything_is_shown_to_be_signed(run, config: Path) -> None:
    ran = run("drill", "schedule", "quake", "--every", "never")
    assert (ran.code, ran.out) == (2, "")
    assert "'never' is no schedule" in ran.err


def test_a_worker_that_is_started_first_makes_no_keys(refused, surroundings: Path) -> None:
    assert "a worker makes no keys" in refused("worker")
    assert not (surroundings / "state" / "keys").exists()
    assert not (surroundings / "state" / "ledger.db").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status", "0000"], 2),
        (["draft", "--bogus"], 2),
        (["send", "0000"], 2),
        (["people", "import", "/nowhere.csv"], 2),
        (["stop"], 2),
    ],
)
def test_whoever_asks_for_json_gets_what_was_wrong_as_json(run, arguments: list[str], code: int) -> None:
    ran = run(*arguments, "--json")
    assert ran.code == code
    assert ran.json["exit_code"] == code
    assert [f"kentongan: {told}" for told in ran.json["errors"]] == ran.sentences


def test_a_config_that_is_named_and_cannot_be_used_is_told_once(run) -> None:
    ran = run("status", "--config", "/nowhere")
    assert ran.code == 0
    (told,) = ran.err.splitlines()
    assert "config folder /nowhere is not there" in told
