"""Init process of a container: forwards signals to the program, reaps orphans, exits with the program's code.

Process 1 of a PID namespace differs from others: the kernel ignores signals to it without a handler, and makes it the
parent of every orphan, which stays a zombie until it is reaped (pid_namespaces(7)). A program that waits for its own
children only cannot do that, so the program runs in a child of a process that does nothing else.
"""

import os
import signal

INIT_PID = 1

FORWARDED = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGCONT,
    }
)
"""Signals that somebody sends to a container for the program in it."""

SIGNAL_EXIT = 128
"""Added to a signal's number, it is the exit code of what the signal ended, as in a shell."""


def fork_under_init() -> None:
    """Return in a child process if this is process 1; process 1 itself exits with the child's code. Else do nothing.

    Call it before any thread or event loop starts.
    """
    if os.getpid() == INIT_PID:
        run_as_init()


def run_as_init() -> None:
    """Fork, and return in the child only; this process forwards signals, reaps, and exits with the child's code."""
    # Blocked before the fork, so that no signal is lost between it and the first wait.
    waited = FORWARDED | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    child = os.fork()
    if child == 0:
        _lead_own_group()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        number = signal.sigwait(waited)
        if number != signal.SIGCHLD:
            os.kill(child, number)
        elif (code := reap_children(child)) is not None:
            # Not sys.exit: what the interpreter does at its end belongs to the child, which has done it.
            os._exit(code)


def reap_children(child: int) -> int | None:
    """Reap every child that has exited. Return the exit code of `child` if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else SIGNAL_EXIT - ended


def _lead_own_group() -> None:
    """Move this process to a group of its own, in the foreground of its terminal.

    Ctrl-C would otherwise reach it twice: from the terminal, and forwarded.
    """
    os.setpgid(0, 0)
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return
    # Only a process in the foreground may do this without being stopped by SIGTTOU.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(terminal, os.getpgrp())
    except OSError:
        pass
    finally:
        signal.signal(signal.SIGTTOU, before)
        os.close(terminal)
