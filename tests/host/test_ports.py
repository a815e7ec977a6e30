"""A free port is one that a server can listen on, and none that an outgoing connection may hold."""

import socket

import pytest

from jobs.host import ports
from jobs.host.ports import NoFreePort, free_port


def test_a_server_can_listen_on_it_and_no_connection_gets_it() -> None:
    port = free_port()
    assert port < 32_768
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_port_that_is_taken_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        monkeypatch.setattr(ports, "_FIRST", server.getsockname()[1])
        monkeypatch.setattr(ports, "_COUNT", 1)
        with pytest.raises(NoFreePort, match="no free port"):
            free_port()
