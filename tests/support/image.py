"""An image of a container, made here: a busybox."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.support.container import BUSYBOX

IMAGE = "registry.example.org:5000/shop/web:1.25"
"""What it is called."""


NAME = "org.opencontainers.image.ref.name"


def layer() -> bytes:
    """The files of the image, as a tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as files:
        files.add(BUSYBOX, "bin/busybox")
        for name in ("sh", "awk", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            files.addfile(link)
    return data.getvalue()


def write_image(archive: Path) -> tuple[str, str]:
    """
    Write an image that is a busybox, as an OCI archive.

    :return: the digests of its manifest and its configuration.
    """
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    packed = blob("layer.v1.tar", layer())
    config = blob(
        "config.v1+json",
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/bin/sleep", "1000000"], "Env": ["PATH=/bin"]},
                "rootfs": {"type": "layers", "diff_ids": [packed["digest"]]},
            }
        ).encode(),
    )
    made = json.dumps({"schemaVersion": 2, "config": config, "layers": [packed]}).encode()
    manifest = blob("manifest.v1+json", made) | {"annotations": {"io.containerd.image.name": IMAGE, NAME: IMAGE}}
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    with tarfile.open(archive, "w") as files:
        for name, data in blobs.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            files.addfile(entry, io.BytesIO(data))
    return str(manifest["digest"]), str(config["digest"]).removeprefix("sha256:")
