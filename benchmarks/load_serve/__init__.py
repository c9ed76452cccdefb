"""A real ``cinemae serve`` under many clients at once, each of which checks that the answer is its own image's."""
