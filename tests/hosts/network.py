"""Hosts in network namespaces of their own on one machine, joined by a bridge; as root, and gone again afterwards.

A host is a network, a process table and a name of its own, so that nobody outside can tell what lives in it: only its
silence says that it has gone, as with a real one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

NET = "10.77.77"
CENTRE = f"{NET}.1"
"""The address of the namespace that holds the bridge, and all that hosts share."""


class Denied(Exception):
    """This machine lets us make no namespaces; the message says why, as a reason to skip."""


@dataclass
class Host:
    """One host; `run` starts a process on it, `kill` ends all of them at once, `unplug` takes its cable away."""

    namespace: str
    name: str
    address: str
    cable: str
    centre: str
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Starts a command with the host's own network, process table and name; its output goes to `log`."""
        inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts"]
        named = ["sh", "-c", f'hostname {self.name} && exec "$0" "$@"', *command]
        output: IO[bytes]
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *inside, *named],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def processes(self) -> list[int]:
        """All that run on it, by their ids."""
        found = _run("ip", "netns", "pids", self.namespace).split()
        return [int(pid) for pid in found]

    def kill(self) -> int:
        """Ends every process on it with SIGKILL; returns how many there were."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait(10)
        self._started.clear()
        return len(pids)

    def unplug(self) -> None:
        """Takes its network away; whoever runs on it goes on and reaches nobody."""
        _run("ip", "netns", "exec", self.centre, "ip", "link", "set", self.cable, "down")

    def plug(self) -> None:
        """Gives it back."""
        _run("ip", "netns", "exec", self.centre, "ip", "link", "set", self.cable, "up")


@contextlib.contextmanager
def network(names: Sequence[str]) -> Iterator[tuple[str, list[Host]]]:
    """A centre and so many hosts around it; gives the centre's namespace and the hosts. Raises Denied."""
    for tool in ("ip", "unshare", "hostname"):
        if shutil.which(tool) is None:
            raise Denied(f"there is no {tool}")
    if os.geteuid() != 0:
        raise Denied("network namespaces want root")
    tag = f"kd{os.getpid() % 100_000}"
    centre = f"{tag}-centre"
    made: list[str] = []
    hosts: list[Host] = []
    try:
        try:
            _run("ip", "netns", "add", centre)
        except subprocess.CalledProcessError as error:
            raise Denied(f"network namespaces are denied ({error.stderr.strip()})") from None
        made.append(centre)
        _in(centre, "ip", "link", "set", "lo", "up")
        try:
            _in(centre, "ip", "link", "add", "bridge0", "type", "bridge")
        except subprocess.CalledProcessError as error:
            raise Denied(f"a bridge between namespaces is denied ({error.stderr.strip()})") from None
        _in(centre, "ip", "addr", "add", f"{CENTRE}/24", "dev", "bridge0")
        _in(centre, "ip", "link", "set", "bridge0", "up")
        for number, name in enumerate(names):
            namespace, cable = f"{tag}-{name}", f"cable{number}"
            address = f"{NET}.{11 + number}"
            _run("ip", "netns", "add", namespace)
            made.append(namespace)
            _in(centre, "ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _in(centre, "ip", "link", "set", cable, "master", "bridge0", "up")
            _in(namespace, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
            _in(namespace, "ip", "link", "set", "lo", "up")
            _in(namespace, "ip", "link", "set", "eth0", "up")
            hosts.append(Host(namespace, name, address, cable, centre))
        yield centre, hosts
    finally:
        for host in hosts:
            host.kill()
        for namespace in reversed(made):
            _run("ip", "netns", "del", namespace)


def _in(namespace: str, *command: str) -> str:
    return _run("ip", "netns", "exec", namespace, *command)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
