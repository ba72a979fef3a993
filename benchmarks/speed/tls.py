"""TLS termination in front of the backend: nginx with a self-signed certificate."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.speed.errors import NotReady
from benchmarks.speed.programs import Command


def create_certificate(folder: Path) -> Path:
    """Create folder/certificate.pem, self-signed for 127.0.0.1, and key.pem. Raises NotReady without openssl."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    if made.exists():
        return made
    program = shutil.which("openssl")
    if program is None:
        raise NotReady("openssl is not installed")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "365"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command: Command = [program, "req", *kind, *subject, "-keyout", key, "-out", made]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made


def tls_command(folder: Path, certificate: Path, port: int, upstream: int) -> list[str | Path]:
    """Return the command of an nginx that terminates TLS for the backend. Raises NotReady without nginx."""
    program = shutil.which("nginx")
    if program is None:
        raise NotReady("nginx is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    here = certificate.resolve().parent
    config = folder / "nginx.conf"
    config.write_text(f"""daemon off; master_process off; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_buffer_size 256k;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream plain {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} ssl backlog=1024;
    ssl_certificate {here}/certificate.pem; ssl_certificate_key {here}/key.pem;
    location / {{
      proxy_pass http://plain; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;
    }}
  }}
}}
""")
    return [program, "-c", config.resolve(), "-p", folder.resolve()]
