"""Signals are waited for by the main loop, and lost nowhere."""

import os
import signal
import subprocess
import sys
import threading

from monitord.service.signals import SignalQueue


class TestSignalQueue:
    def test_signals_come_in_their_order(self):
        with SignalQueue() as signals:
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGHUP)

            assert [signal.SIGUSR1, signal.SIGHUP] == signals.wait(10)

    def test_a_storm_of_one_is_one_and_hides_no_other(self):
        """More than the socket that wakes can hold. Each was a reload, and the stop behind them waited or was lost."""
        with SignalQueue() as signals:
            for _ in range(5000):
                os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)

            assert [signal.SIGTERM, signal.SIGHUP] == signals.wait(10)
            assert [] == signals.wait(0)

    def test_nothing_comes_when_the_time_is_over(self):
        with SignalQueue() as signals:
            assert [] == signals.wait(0)

    def test_signal_wakes_the_wait(self):
        with SignalQueue() as signals:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()

            assert [signal.SIGTERM] == signals.wait(60)

    def test_signal_delivered_to_another_thread_arrives(self):
        """The kernel picks any thread that does not block it; libraries start threads of their own."""
        with SignalQueue() as signals:
            thread = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGHUP))
            thread.start()
            thread.join()

            assert [signal.SIGHUP] == signals.wait(10)

    def test_old_handlers_are_back_afterwards(self):
        before = signal.getsignal(signal.SIGTERM)
        with SignalQueue():
            pass

        assert before is signal.getsignal(signal.SIGTERM)

    def test_released_stop_signal_ends_the_process(self):
        run = (
            "import os, signal\n"
            "from monitord.service.signals import SignalQueue\n"
            "with SignalQueue() as signals:\n"
            "    signals.release_stop()\n"
            "    os.kill(os.getpid(), signal.SIGINT)\n"
        )

        assert -signal.SIGINT == subprocess.run([sys.executable, "-c", run]).returncode
