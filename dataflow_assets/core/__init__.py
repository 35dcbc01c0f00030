"""What has nothing to do with sources or stores: iteration, time windows, text, files, logging.

A window of time is half-open, in UTC, and cut in a time zone; the day on which clocks change has 23 or 25 hours:

    >>> from datetime import date
    >>> from dataflow_assets.core import Window
    >>> window = Window.of_day(date(2022, 3, 27), "Europe/Paris")
    >>> window.start.isoformat()
    '2022-03-26T23:00:00+00:00'
    >>> window.end - window.start
    datetime.timedelta(seconds=82800)
"""

from dataflow_assets.core.time_windows import Window, WindowError, day_of

__all__ = ["Window", "WindowError", "day_of"]
