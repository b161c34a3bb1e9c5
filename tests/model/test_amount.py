import pytest

from monitord.model.amount import amount


@pytest.mark.parametrize(("number", "text"), [(0, "0 alerts"), (1, "1 alert"), (23, "23 alerts")])
def test_one_is_not_many(number, text):
    assert text == amount(number, "alert")
