"""TLS is verified; a failed handshake provably sent nothing."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syncd.ports.errors import Unreachable
from syncd.transport.request import Request
from tests.transport.rig import Rig, http, web_server

PUT = Request(operation="set", method="PUT", path="/x", json={})


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A PEM file with the key and the self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vendor")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "vendor.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def fine(_: web.Request) -> web.Response:
    return web.json_response({})


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_a_named_authority_is_trusted_by_its_connection_alone(
    rig: Rig, certificate: Path
) -> None:
    async with web_server(fine, server_side(certificate)) as url:
        assert (await rig.transport(url, ca_file=certificate).write(PUT)).status == 200
        with pytest.raises(Unreachable) as caught:
            await rig.transport(url).write(PUT)
    assert "certificate" in str(caught.value).lower()


async def test_a_certificate_for_another_name_is_refused(rig: Rig, certificate: Path) -> None:
    async with web_server(fine, server_side(certificate)) as url:
        elsewhere = url.replace("127.0.0.1", "localhost")
        with pytest.raises(Unreachable):
            await rig.transport(elsewhere, ca_file=certificate).write(PUT)


async def test_a_server_that_speaks_no_tls_provably_got_nothing(rig: Rig) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(400).data)
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    with pytest.raises(Unreachable, match="could not connect"):
        await rig.transport(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}").write(PUT)
    server.close()
    await server.wait_closed()


async def test_a_missing_ca_file_is_told_at_start(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        rig.transport("https://x.example", ca_file=tmp_path / "none.pem")
