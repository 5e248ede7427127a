"""Failures on demand: what a running sandbox is told to do wrong, in one line of a small vocabulary.

    WORD TARGET [times=N|always] [seconds=S] [code=C] [message=TEXT] [where=TEXT] [at=step]

A person says ``make fault DO="throttle emr:AddJobFlowSteps times=2"``; ``make fault`` lists what is set and what
there is to say, ``make fault DO=clear`` ends it. A test uses `Faults` on the sandbox's endpoint. A fault hits once
unless ``times`` says otherwise. The words, with what each may be given, are in `vocabulary.VOCABULARY`.

Parts
    ``vocabulary``  the words, and a line's meaning (`Fault`)
    ``client``      setting, listing and ending the faults of a running sandbox (`Faults`)
The sandbox's own side is in ``sandbox/aws/faults.py``.
"""

from __future__ import annotations

from sandbox.faults.client import Faults
from sandbox.faults.vocabulary import VOCABULARY, Fault, FaultError, parse, vocabulary_text

__all__ = ["VOCABULARY", "Fault", "FaultError", "Faults", "parse", "vocabulary_text"]
