"""The process that `reader_processes` starts: runs functions of `data` on what it is sent, and answers what they give.

Run as a module, with nothing but what those functions import: NumPy and Pillow, never torch.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
import warnings
from multiprocessing.connection import Connection

GAVE, RAISED, SHORT = "gave", "raised", "short"
"""How an answer begins: a value follows, or what was raised in words, of which a lack of memory is told apart."""


def answer_calls(connection: Connection) -> None:
    """Answer one call after the other, (function, arguments), until the connection closes."""
    while True:
        try:
            function, arguments = connection.recv()
            answer = GAVE, function(*arguments)
        except EOFError:
            return
        except MemoryError as error:
            answer = SHORT, str(error)
        except Exception:
            answer = RAISED, traceback.format_exc()
        connection.send(answer)


def serve_caller(descriptor: int, turn: str) -> None:
    """Serve who started this process, by the connection with this file descriptor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too: whoever asks decides what ends
    warnings.simplefilter("ignore")  # of Pillow's on odd files: our readers say what matters
    from sightx_cli.data.readers.gate import TurnGate, set_gate

    set_gate(TurnGate(turn))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has ended
        answer_calls(Connection(descriptor))


if __name__ == "__main__":
    serve_caller(int(sys.argv[1]), sys.argv[2])
