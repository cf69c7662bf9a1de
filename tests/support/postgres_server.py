"""A PostgreSQL cluster of our own, in a temporary folder on a free port, with every commit synced."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.free_ports import free_ports
from tests.support.service_process import (
    ServiceFailed,
    ServiceMissing,
    account_for,
    end_process,
    give_to,
    start_process,
    wait_until,
)

MISSING = "PostgreSQL 15 is not installed: run scripts/install-services.sh (Debian package postgresql-15)"
SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
logging_collector = off
log_min_messages = warning
timezone = 'UTC'
"""


class PostgresServer:
    """start() makes the cluster once and then starts it; stop() keeps its files; remove() ends it all.

    Databases: new_database() gives the URL `postgresql://postgres@127.0.0.1:<port>/<name>` of an empty one.
    """

    def __init__(self, binaries: Path = Path("/usr/lib/postgresql/15/bin"), settings: str = "") -> None:
        self.binaries = binaries
        self.settings = settings
        self.port = 0
        self._account = account_for("postgres")
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the cluster does not exist yet")
        return self._folder

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server; returns when it answers.  Does nothing when it runs."""
        if self.running:
            return
        if self._folder is None:
            self._make_cluster()
        deadline = time.monotonic() + 30
        while True:
            self._process = start_process(
                [str(self.binaries / "postgres"), "-D", str(self.folder / "data")],
                self.folder / "server.log",
                account=self._account,
                environment=self._environment(),
                orphan_signal=signal.SIGQUIT,
            )
            try:
                wait_until(self._answers, self._process, self.folder / "server.log", seconds=60)
                return
            except ServiceFailed:  # after a kill, backends of the old postmaster need a moment to notice
                if self.running or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop: fast (sessions are ended, a checkpoint is written) or immediate (as a crash; the log is replayed)."""
        if self._process is not None:
            end_process(self._process, by=signal.SIGQUIT if immediate else signal.SIGINT)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the postmaster."""
        if self._process is not None:
            end_process(self._process, by=signal.SIGKILL)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop and delete the cluster."""
        self.stop(immediate=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """URL of a fresh database: empty, or a copy of the database `template`, which nobody may be using."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f'create database "{name}" template "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self.execute(f'drop database if exists "{url.rpartition("/")[2]}" with (force)')

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run one statement by psql; its rows as unaligned text."""
        command = [str(self.binaries / "psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(
            [*command, "-c", statement, self.url(database)],
            capture_output=True,
            text=True,
            env=self._environment(),
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise ServiceFailed(done.stderr)
        return done.stdout.strip()

    def _answers(self) -> bool:
        command = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, env=self._environment()).returncode == 0

    def _make_cluster(self) -> None:
        if not (self.binaries / "initdb").exists():
            raise ServiceMissing(MISSING)
        self.port = free_ports(1)[0]
        folder = Path(tempfile.mkdtemp(prefix="baton-postgres-"))
        self._folder = folder
        give_to(folder, self._account)
        initdb = [str(self.binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
        log = folder / "initdb.log"
        process = start_process(
            [*initdb, "-E", "UTF8", "--locale=C"],
            log,
            account=self._account,
            environment=self._environment(),
            orphan_signal=signal.SIGKILL,
        )
        if process.wait(120) != 0:
            raise ServiceFailed(log.read_text(errors="replace"))
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"{SETTINGS}\nport = {self.port}\nunix_socket_directories = '{folder}'\n{self.settings}\n")

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
