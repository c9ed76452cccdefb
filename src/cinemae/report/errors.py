"""What a report can't be made of."""


class ReportError(ValueError):
    """Files that do not belong together, or are none of what a report is made of; the message names them."""
