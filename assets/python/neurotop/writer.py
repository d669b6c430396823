"""A thread that writes batches, in order, while the program goes on."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from typing import Callable

from .messages import tell

#: So many batches, and so many bytes of them, may wait; one may always.
BATCHES = 8
BYTES = 512 << 20

#: What could not be done, and why.
Failure = tuple[str, BaseException]


class Writer:
    """Does jobs one after the other in a thread of its own.

    The thread ends when no job waits, and the interpreter waits for that when it exits. After a job
    that failed none is done: the failure is kept for `failure`, and told at exit if nobody asked.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # reentrant: without a thread, `_start` works
        self._jobs: deque[tuple[str, Callable[[], None], int]] = deque()
        self._is_running = False
        self._failure: Failure | None = None

    def put(self, doing: str, job: Callable[[], None], size: int) -> None:
        """Have a job done after those before it; wait while too many wait.

        Parameters
        ----------
        doing : str
            What goes wrong if the job does, such as "cannot write batch-000001.npz".
        job : callable
            Called in the thread.
        size : int
            Bytes that the job holds.
        """
        with self._changed:
            while not self._has_room(size):
                self._changed.wait(1.0)  # where waiting for ever keeps Ctrl-C from coming through
            if self._failure is not None:
                return
            self._jobs.append((doing, job, size))
            is_running = self._is_running
        if not is_running:
            self._start()

    def _start(self) -> None:
        """Start the thread; where another runs already, it ends at once."""
        try:
            threading.Thread(target=self._work, name="neurotop writer").start()
        except RuntimeError:  # the interpreter exits, or has no thread left
            self._work()

    def _has_room(self, size: int) -> bool:
        waiting = sum(size for _, _, size in self._jobs)
        is_full = len(self._jobs) >= BATCHES or waiting + size > BYTES
        return self._failure is not None or not (self._jobs and is_full)

    def _work(self) -> None:
        with self._changed:
            if self._is_running:
                return
            self._is_running = True
        while True:
            with self._changed:
                if not self._jobs:
                    self._is_running = False
                    self._changed.notify_all()
                    return
                doing, job, _ = self._jobs[0]
            try:
                job()
            except BaseException as error:  # whatever it is, the user must hear of it
                self._fail(doing, error)
                continue
            del job  # and what it holds
            with self._changed:
                self._jobs.popleft()
                self._changed.notify_all()

    def _fail(self, doing: str, error: BaseException) -> None:
        with self._changed:
            self._jobs.clear()
            self._failure = doing, error
        atexit.register(self._tell_failure)

    def drain(self) -> None:
        """Wait until all jobs are done, or one has failed."""
        with self._changed:
            while self._jobs or self._is_running:
                if not self._is_running:  # Ctrl-C came before the thread was started
                    self._start()
                self._changed.wait(1.0)

    def failure(self) -> Failure | None:
        """What went wrong since the last call, if anything; the caller tells it."""
        with self._changed:
            failure, self._failure = self._failure, None
        if failure is not None:
            atexit.unregister(self._tell_failure)
        return failure

    def _tell_failure(self) -> None:
        failure = self.failure()
        if failure is not None:
            tell(f"neurotop {failure[0]}: {failure[1]}. Later batches are not written either")
