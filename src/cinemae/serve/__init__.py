"""The service: the one detector behind an HTTP API and a page, for many clients at the same time.

Nothing here scores by itself; a verdict has the same numbers, to the last bit, as the one that
:class:`cinemae.Detector` gives for the same bytes, however many requests are in work. Install the
extra ``serve`` to use it.
"""
