"""The address of a Kafka topic, as one text: what it may say, and what a client is told of it.

Belongs here: reading the address, with the standard library alone, since settings and every DAG file do. Producing to
the topic: producer.py. Reading it: jobs/arrivals/kafka.py.

    kafka://host:port[,host:port...]/topic      whoever reaches the brokers may write and read
    kafka://user@host:port/topic                the user shows a password, which is told apart; SCRAM does not send it
    kafkas://[user@]host:port/topic             TLS
    ...?mechanism=PLAIN                         another way to show the password
    ...?ca=/path/certificates.pem               who vouches for the brokers; else whom this machine trusts
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

SCHEMES = ("kafka", "kafkas")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
FORM = (
    "it must be a folder or kafka://host:port/topic, with more brokers as host:port,host:port, a user as user@ before "
    "them, and kafkas:// for TLS"
)
# Kafka's own rule, less what is left for REJECTED.
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,200}")
# Not urlsplit: what Python takes for one host has no commas, and its newer ones look into the brackets.
_ADDRESS = re.compile(r"(\w+)://(?:([^@/]*)@)?([^/?#]*)/([^?#]*)(?:\?([^#]*))?(#.*)?")
_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+):[0-9]{1,5}")
# The topic beside it, in which the endpoint leaves what it refused.
REJECTED = ".rejected"


@dataclass(frozen=True)
class Topic:
    """A topic of brokers, and how they are asked. `servers` is what Kafka calls the bootstrap servers."""

    servers: str
    name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str = MECHANISMS[0]
    is_tls: bool = False
    ca: str | None = None

    @property
    def hosts(self) -> list[str]:
        return [server.rpartition(":")[0].strip("[]") for server in self.servers.split(",")]

    @property
    def security(self) -> dict[str, str]:
        """What every client is told in the same words."""
        layers = [*(["SASL"] if self.user else []), "SSL" if self.is_tls else "PLAINTEXT"]
        return {
            "security.protocol": "_".join(layers),
            **({"sasl.mechanism": self.mechanism} if self.user else {}),
        }

    @property
    def client(self) -> dict[str, str | int | float | bool]:
        """The options of librdkafka's clients."""
        return {
            "bootstrap.servers": self.servers,
            # Else it would write to stderr twenty times a second while no broker answers; who asks is told.
            "log_level": 2,
            # A broker that is back is found within a second, and not in ten.
            "reconnect.backoff.max.ms": 1000,
            **self.security,
            **({"sasl.username": self.user, "sasl.password": self.password or ""} if self.user else {}),
            **({"ssl.ca.location": self.ca} if self.ca else {}),
        }

    def __str__(self) -> str:
        """What a sentence calls it, without the password."""
        return f"{self.name} at {self.servers}"


def topic(address: str, password: str | None = None) -> Topic:
    """The topic at an address. Raises ValueError with what it must be."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(FORM)
    scheme, user, servers, name, query, fragment = (part or "" for part in found.groups())
    options = dict(parse_qsl(query, keep_blank_values=True))
    if (
        scheme not in SCHEMES
        or not all(_SERVER.fullmatch(server) for server in servers.split(","))
        or not _NAME.fullmatch(name)
        or ":" in user
    ):
        raise ValueError(FORM)
    mechanism, ca = options.pop("mechanism", MECHANISMS[0]), options.pop("ca", None)
    if options or fragment:
        raise ValueError("after the topic it may say ?mechanism=... and ca=... and nothing else")
    if mechanism not in MECHANISMS:
        raise ValueError(f"mechanism must be one of {', '.join(MECHANISMS)}")
    if ca and scheme == "kafka":
        raise ValueError("certificates (ca) are for kafkas://, which is TLS")
    return Topic(servers, name, unquote(user) or None, password, mechanism, scheme == "kafkas", ca)
