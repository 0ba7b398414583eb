#!/usr/bin/env python3
"""Makes a TUF repository of the layout of P-12 with securesystemslib: keys, canonical JSON and signatures are its own.

usage: tuf_repository.py <folder> <now, in seconds since the epoch>
"""

import hashlib
import json
import os
import sys
from datetime import datetime, timezone

from securesystemslib.formats import encode_canonical
from securesystemslib.keys import create_signature, format_keyval_to_metadata, generate_ed25519_key

FOLDER, NOW = sys.argv[1], int(sys.argv[2])
DAY = 86400
BINS = ["%02x" % i for i in range(256)]
META = {}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def keys(count):
    return [generate_ed25519_key() for _ in range(count)]


def public(key):
    keyval = {"public": key["keyval"]["public"], "private": ""}
    return format_keyval_to_metadata(key["keytype"], key["scheme"], keyval)


def by_id(found):
    return {key["keyid"]: public(key) for key in found}


def role(found, threshold):
    return {"keyids": [key["keyid"] for key in found], "threshold": threshold}


def head(kind, version, days):
    expires = datetime.fromtimestamp(NOW + days * DAY, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"_type": kind, "spec_version": "1.0.31", "version": version, "expires": expires}


def write(name, signed, signers):
    data = encode_canonical(signed).encode("utf-8")
    signatures = [create_signature(key, data) for key in signers]
    # Indented, as its files are: what is signed is the canonical form.
    text = json.dumps({"signatures": signatures, "signed": signed}, indent=1, sort_keys=True, separators=(",", ": "))
    versioned = name if name == "timestamp" else "%d.%s" % (signed["version"], name)
    with open(os.path.join(FOLDER, versioned + ".json"), "w", encoding="utf-8") as file:
        file.write(text)
    data = text.encode("utf-8")
    META[name + ".json"] = {"version": signed["version"], "length": len(data), "hashes": {"sha256": sha256(data)}}


def delegation(name, found, threshold, **reach):
    return dict(role(found, threshold), name=name, terminating=True, **reach)


def write_root(version, roles):
    every = {keyid: key for found, _ in roles.values() for keyid, key in by_id(found).items()}
    signed = dict(
        head("root", version, 365),
        consistent_snapshot=True,
        keys=every,
        roles={name: role(found, threshold) for name, (found, threshold) in roles.items()},
    )
    return signed


release, director = keys(3), keys(1)
roots = keys(3)
first = {"root": (roots, 2), "targets": (release, 2), "snapshot": (keys(1), 1), "timestamp": (keys(1), 1)}
write("root", write_root(1, first), roots[:2])
# A second root, of other keys of root and timestamp.
newer = [roots[0], *keys(2)]
second = dict(first, root=(newer, 2), timestamp=(keys(1), 1))
write("root", write_root(2, second), [roots[0], roots[1], *newer[1:]])

artifact = {
    "length": 1001,
    "hashes": {"sha256": sha256(b"firmware"), "sha512": hashlib.sha512(b"firmware").hexdigest()},
    "custom": {"chunkmesh": {"artifact": sha256(b"index"), "chunks": 3, "sites": ["hall-2"]}},
}
path = "artifacts/firmware/2.4.1"
rollout = dict(artifact, custom={"chunkmesh": {"shards": 4, "urgent": True}})
group = "cameras"

delegations = [delegation("director", director, 1, paths=["rollouts/*/*/*"])]
delegations += [delegation("release-" + one, release, 2, path_hash_prefixes=[one]) for one in BINS]
targets = dict(head("targets", 1, 365), targets={})
targets["delegations"] = {"keys": by_id(release + director), "roles": delegations}
write("targets", targets, release[1:])
for one in BINS:
    listed = {path: artifact} if sha256(path.encode())[:2] == one else {}
    write("release-" + one, dict(head("targets", 1, 365), targets=listed), release[:2])
own = delegation("director-" + group, director, 1, paths=["rollouts/%s/*/*" % group])
schedule = dict(head("targets", 1, 30), targets={}, delegations={"keys": by_id(director), "roles": [own]})
write("director", schedule, director)
rollouts = {"rollouts/%s/firmware/2.4.1" % group: rollout}
write("director-" + group, dict(head("targets", 1, 30), targets=rollouts), director)

meta = {name: entry for name, entry in META.items() if name != "root.json"}
write("snapshot", dict(head("snapshot", 1, 30), meta=meta), second["snapshot"][0])
snapshot = {"snapshot.json": META["snapshot.json"]}
write("timestamp", dict(head("timestamp", 1, 30), meta=snapshot), second["timestamp"][0])
