"""The process that `reader_processes` starts: runs functions of `data` on what it is sent, and answers what they give.

Run as a module, with nothing but what those functions import: NumPy and Pillow, never torch.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
import warnings
from typing import BinaryIO

GAVE, RAISED, SHORT = "gave", "raised", "short"
"""How an answer begins: a value follows, or what was raised in words, of which a lack of memory is told apart."""


def answer_calls(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer one call after the other, (function, arguments) as pickles of our own process, until the pipe closes."""
    while True:
        try:
            function, arguments = pickle.load(asked)
            answer = GAVE, function(*arguments)
        except EOFError:
            return
        except MemoryError as error:
            answer = SHORT, str(error)
        except Exception:
            answer = RAISED, traceback.format_exc()
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def serve_pipes() -> None:
    """Serve on the standard input and output, which nothing else may write to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too: whoever asks decides what ends
    warnings.simplefilter("ignore")  # of Pillow's on odd files: our readers say what matters
    with os.fdopen(os.dup(sys.stdin.fileno()), "rb") as asked, os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        if len(sys.argv) > 1:
            from sightx_cli.data.readers.gate import TurnGate, set_gate

            set_gate(TurnGate(sys.argv[1]))
        try:
            answer_calls(asked, answers)
        except BrokenPipeError:  # whoever asked has ended
            os._exit(0)


if __name__ == "__main__":
    serve_pipes()
