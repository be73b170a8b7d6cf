"""Put on PYTHONPATH as sitecustomize: a process below may talk to this machine alone, and tells if it tried more."""

GUARD = """
import os, socket, sys

_ALLOWED = ("127.", "::1", "localhost", "0.0.0.0", "/")

def _audit(event, args):
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else str(address)
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if host not in ("", "None") and not host.startswith(_ALLOWED):
        with open(os.environ["NIGHTDESK_TEST_CALLS"], "a") as log:
            log.write(f"{event} {host} {sys.argv[:3]}\\n")
        raise OSError(f"no network in this test: {host}")

sys.addaudithook(_audit)
"""
