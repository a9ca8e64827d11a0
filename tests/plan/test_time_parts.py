"""Parts of times compared with Python's datetime."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.batch import Column, Field, Kind
from scorer.plan.time_parts import PARTS, parts_of, take_part

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400

OF_DATES: dict[str, Callable[[date], int]] = {
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "weekday": lambda day: day.weekday(),
    "yearday": lambda day: day.timetuple().tm_yday,
    "week": lambda day: day.isocalendar().week,
}
OF_TIMES: dict[str, Callable[[datetime], int]] = {
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
}
new_years = st.builds(
    lambda year, days: EPOCH.replace(year=year) + timedelta(days=days), st.integers(2, 9998), st.integers(-5, 5)
)
moments = st.datetimes(timezones=st.just(UTC)) | new_years
ticks = st.sampled_from([1_000, 1_000_000, 1_000_000_000])


def taken(part: str, field: Field, values: list[int]) -> NDArray[np.int64]:
    return take_part(part, Column(field, np.zeros(len(values), np.bool_), np.array(values, np.int64)))


@given(st.lists(moments), st.sampled_from([1_000, 1_000_000]), st.sampled_from(PARTS))
def test_a_timestamp_has_the_parts_of_its_datetime(moments: list[datetime], ticks: int, part: str) -> None:
    values = [(moment - EPOCH) // timedelta(microseconds=1) * ticks // 1_000_000 for moment in moments]
    expected = [(OF_DATES[part] if part in OF_DATES else OF_TIMES[part])(moment) for moment in moments]
    assert taken(part, Field("t", Kind.TIMESTAMP, ticks=ticks), values).tolist() == expected


@given(st.lists(moments), st.sampled_from(sorted(OF_DATES)))
def test_a_date_has_the_parts_of_its_day(moments: list[datetime], part: str) -> None:
    values = [(moment - EPOCH).days for moment in moments]
    assert taken(part, Field("d", Kind.DATE), values).tolist() == [OF_DATES[part](moment) for moment in moments]


@given(st.lists(st.integers(0, DAY - 1)), ticks, st.sampled_from(sorted(OF_TIMES)))
def test_a_time_has_the_parts_of_its_clock(seconds: list[int], ticks: int, part: str) -> None:
    values = [second * ticks + ticks // 2 for second in seconds]
    expected = [OF_TIMES[part](EPOCH + timedelta(seconds=second)) for second in seconds]
    assert taken(part, Field("t", Kind.TIME, ticks=ticks), values).tolist() == expected


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Kind.DATE, ("year", "month", "day", "weekday", "yearday", "week")),
        (Kind.TIME, ("hour", "minute", "second")),
        (Kind.TIMESTAMP, ("year", "month", "day", "hour", "minute", "second", "weekday", "yearday", "week")),
        (Kind.INTEGER, ()),
        (Kind.TEXT, ()),
    ],
)
def test_each_kind_offers_its_own_time_parts(kind: Kind, parts: tuple[str, ...]) -> None:
    assert parts_of(kind) == parts
