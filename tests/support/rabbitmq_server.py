"""A RabbitMQ node of our own, with its own port mapper, in a temporary folder on free ports."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.free_ports import free_ports
from tests.support.service_process import ServiceMissing, account_for, end_process, give_to, start_process, wait_until

MISSING = "RabbitMQ is not installed: run scripts/install-services.sh (Debian package rabbitmq-server)"
CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
disk_free_limit.absolute = 100MB
log.console = true
log.console.level = warning
log.file = false
{more}
"""


class RabbitServer:
    """start() / stop() / restart() / kill() of one node; its queues stay over a stop and go with remove()."""

    def __init__(self, programs: Path = Path("/usr/lib/rabbitmq/bin"), configuration: str = "") -> None:
        self.programs = programs
        self.configuration = configuration
        self.port = 0
        self.node = f"baton-test-{secrets.token_hex(4)}@localhost"
        self._ports: list[int] = []
        self._account = account_for("rabbitmq")
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port_mapper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the node does not exist yet")
        return self._folder

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the node; returns when it accepts AMQP connections.  Does nothing when it runs."""
        if self.running:
            return
        if self._folder is None:
            self._make_node()
        log = self.folder / "server.log"
        if self._port_mapper is None or self._port_mapper.poll() is not None:
            self._port_mapper = start_process(
                ["epmd", "-address", "127.0.0.1", "-port", str(self._ports[1])],
                log,
                account=self._account,
                environment=self._environment(),
                orphan_signal=signal.SIGKILL,
            )
        self._process = start_process(
            [str(self.programs / "rabbitmq-server")],
            log,
            account=self._account,
            environment=self._environment(),
            orphan_signal=signal.SIGTERM,
        )
        wait_until(self._answers, self._process, log, seconds=120)

    def stop(self) -> None:
        """Stop in order: messages and queues are on disk."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            end_process(self._process, seconds=30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the node and its start script."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the node's clock (SIGSTOP): connections stay open and nothing answers."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGCONT)

    def remove(self) -> None:
        """End the node and its port mapper and delete their files."""
        self.kill()
        if self._port_mapper is not None:
            end_process(self._port_mapper, by=signal.SIGKILL)
            self._port_mapper = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl on this node (about a second); its output."""
        command = [str(self.programs / "rabbitmqctl"), "-q", "-n", self.node, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._environment(), check=True, timeout=60, cwd="/"
        )
        return done.stdout

    def _answers(self) -> bool:
        """True when the broker answers the AMQP protocol header (an open port alone comes earlier)."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as peer:
                peer.settimeout(2)
                peer.sendall(b"AMQP\x00\x00\x09\x01")
                return peer.recv(1) == b"\x01"
        except OSError:
            return False

    def _make_node(self) -> None:
        if not (self.programs / "rabbitmq-server").exists() or shutil.which("epmd") is None:
            raise ServiceMissing(MISSING)
        folder = Path(tempfile.mkdtemp(prefix="baton-rabbitmq-"))
        self._folder = folder
        self._ports = free_ports(3)
        self.port = self._ports[0]
        configuration = CONFIGURATION.format(port=self.port, more=self.configuration)
        (folder / "rabbitmq.conf").write_text(configuration)
        (folder / "environment.conf").touch()
        (folder / "plugins").write_text("[].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        for path in (folder, *folder.iterdir()):
            give_to(path, self._account)

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": folder,
            "ERL_EPMD_PORT": str(self._ports[1]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._ports[2]),
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/environment.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_SCHEMA_DIR": f"{folder}/schema",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/node.pid",
        }
