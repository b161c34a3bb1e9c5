"""
Against what https://schema.ocsf.io says of Detection Finding: `REQUIRED` is every attribute that is required in it, and
in each object that is used, in the versions 1.1.0 to 1.9.0.
"""

import json

import pytest

from monitord.model.priority import Priority
from monitord.sinks.ocsf import ocsf_line, ocsf_object
from tests.support.alerts import make_alert

REQUIRED = {
    "": ("activity_id", "category_uid", "class_uid", "finding_info", "metadata", "severity_id", "time", "type_uid"),
    "metadata": ("product", "version"),
    "metadata.product": ("name", "vendor_name"),
    "finding_info": ("title", "uid"),
    "finding_info.analytic": ("type_id",),
    "device": ("type_id",),
}

TYPES = {
    "activity_id": int,
    "time": int,
    "start_time": int,
    "message": str,
    "is_alert": bool,
    "metadata.version": str,
    "metadata.original_time": str,
    "metadata.labels": list,
    "finding_info.created_time": int,
    "finding_info.attacks": list,
    "evidences": list,
    "unmapped": dict,
}


def at(document: object, path: str) -> object:
    for key in filter(None, path.split(".")):
        document = document[key]
    return document


@pytest.fixture
def event():
    return json.loads(ocsf_line(make_alert()))


@pytest.mark.parametrize("path", REQUIRED)
def test_what_is_required_is_there(event, path):
    assert set() == set(REQUIRED[path]) - at(event, path).keys()


@pytest.mark.parametrize(("path", "type_"), TYPES.items())
def test_types(event, path, type_):
    assert type_ is type(at(event, path))


def test_the_class_is_detection_finding_and_its_type_follows(event):
    assert (2, 2004, 1, 200401) == tuple(event[key] for key in ("category_uid", "class_uid", "activity_id", "type_uid"))


@pytest.mark.parametrize("priority", Priority)
def test_every_priority_has_a_severity_and_worse_is_higher(priority):
    ids = [ocsf_object(make_alert(priority=worse))["severity_id"] for worse in Priority if worse <= priority]

    assert sorted(ids, reverse=True) == ids
    assert 1 <= ids[-1] <= 6


def test_times_are_milliseconds_of_the_finding_and_of_the_call():
    event = ocsf_object(make_alert(), now_ns=1770091507_123456789)

    assert (1770091507123, 1770091506000) == (event["time"], event["start_time"])


def test_a_uid_is_that_of_the_match():
    first, again, other = (ocsf_object(alert)["finding_info"]["uid"] for alert in (make_alert(), make_alert(), OTHER))

    assert first == again
    assert first != other


OTHER = make_alert(rule="Another")


def test_techniques_and_sub_techniques():
    event = ocsf_object(make_alert(tags=("host", "T1003.008", "T1059", "Tx", "mitre_execution")))

    assert [
        {"technique": {"uid": "T1003"}, "sub_technique": {"uid": "T1003.008"}},
        {"technique": {"uid": "T1059"}},
    ] == event["finding_info"]["attacks"]


def test_the_process_is_the_evidence(event):
    (evidence,) = event["evidences"]
    process = evidence["process"]

    assert (4001, 4003, "cat", "1000", 1) == (
        process["pid"],
        process["tid"],
        process["name"],
        process["user"]["uid"],
        process["parent_process"]["pid"],
    )
    assert "cat" == evidence["data"]["proc.name"]


def test_it_is_one_line_of_valid_utf8_whatever_the_alert_holds():
    odd = b"/tmp/\xff\n\x1b[2J".decode("utf-8", "surrogateescape")
    line = ocsf_line(make_alert(output=odd, rule=odd, hostname=odd, fields={"proc.cmdline": odd}))

    assert line.decode().endswith("}\n")
    assert 1 == line.count(b"\n")
    assert "/tmp/\\xff\n\x1b[2J" == json.loads(line)["message"]
    assert b"\x1b" not in line
