"""Bias audit: how well can the label be told without looking at what a picture shows?"""

from cinemae.audit.facts import Fact, read_facts
from cinemae.audit.markdown import to_markdown
from cinemae.audit.measure import FACTS, Refusal
from cinemae.audit.run import audit_images
from cinemae.audit.schema import Audit, AuditConfig, Comparison, FactRow, Finding, ProtocolAudit, Slice
from cinemae.audit.scores import Scores, read_scores

__all__ = [
    "FACTS",
    "Audit",
    "AuditConfig",
    "Comparison",
    "Fact",
    "FactRow",
    "Finding",
    "ProtocolAudit",
    "Refusal",
    "Scores",
    "Slice",
    "audit_images",
    "read_facts",
    "read_scores",
    "to_markdown",
]
