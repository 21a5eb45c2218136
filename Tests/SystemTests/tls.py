"""Certificates for tests, and flags and credentials that use them."""
import subprocess

import grpc


def certificate(folder, name, *extensions, signer=None):
    """Writes NAME.pem and NAME.key, signed by itself or by another one's key."""
    signing = ["-CA", f"{signer}.pem", "-CAkey", f"{signer}.key"] if signer else []
    extensions = [part for extension in extensions for part in ("-addext", extension)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                    *signing, *extensions], cwd=folder, check=True, capture_output=True)
    return folder / f"{name}.pem", folder / f"{name}.key"


ADDRESSES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def self_signed(folder):
    """The files of a certificate for this machine and of its key."""
    return certificate(folder, "localhost", ADDRESSES)


def make_certificates(folder):
    """A root of trust, a server's and a client's certificate under it, and a stranger's client certificate."""
    certificate(folder, "root")
    certificate(folder, "stranger")
    certificate(folder, "server", ADDRESSES, "basicConstraints=critical,CA:FALSE", signer="root")
    certificate(folder, "client", "basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth", signer="root")


def tls_flags(folder, client_ca=False):
    flags = ["--tls-certificate", folder / "server.pem", "--tls-key", folder / "server.key"]
    return flags + (["--tls-client-ca", folder / "root.pem"] if client_ca else [])


def credentials(folder, client=None):
    pair = {"private_key": (folder / f"{client}.key").read_bytes(),
            "certificate_chain": (folder / f"{client}.pem").read_bytes()} if client else {}
    return grpc.ssl_channel_credentials((folder / "root.pem").read_bytes(), **pair)
