"""A libtorrent session at one end of a swarm.

    python3 libtorrent_swarm.py make <file> <torrent>
    python3 libtorrent_swarm.py join <tcp|utp> <address> <torrent> <folder>

A member prints the port that it listens on. Then it reads a line, [[host, port], ..], and connects to each of them; who has the file
already seeds it. It prints `done` once it has all, and goes on until its stdin ends.
"""

import json
import os
import select
import sys
import time

import libtorrent

POLL_SECONDS = 0.02


def make(path, torrent):
    storage = libtorrent.file_storage()
    libtorrent.add_files(storage, path)
    made = libtorrent.create_torrent(storage)
    libtorrent.set_piece_hashes(made, os.path.dirname(path))
    with open(torrent, 'wb') as out:
        out.write(libtorrent.bencode(made.generate()))


def join(kind, address, torrent, folder):
    utp = kind == 'utp'
    session = libtorrent.session({
        'listen_interfaces': address + ':0',
        'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
        'enable_outgoing_utp': utp, 'enable_incoming_utp': utp, 'enable_outgoing_tcp': not utp, 'enable_incoming_tcp': not utp,
        'alert_mask': 0,
    })
    info = libtorrent.torrent_info(torrent)
    seeds = os.path.exists(os.path.join(folder, info.name()))
    flags = libtorrent.torrent_flags.seed_mode if seeds else libtorrent.torrent_flags.default_flags
    handle = session.add_torrent({'ti': info, 'save_path': folder, 'flags': flags})
    handle.unset_flags(libtorrent.torrent_flags.auto_managed)
    handle.resume()
    while session.listen_port() == 0:
        time.sleep(POLL_SECONDS)
    print(session.listen_port(), flush=True)
    for host, port in json.loads(sys.stdin.readline()):
        handle.connect_peer((host, port))
    while not handle.status().is_seeding:
        time.sleep(POLL_SECONDS)
    print('done', flush=True)
    select.select([sys.stdin], [], [])


if sys.argv[1] == 'make':
    make(os.path.abspath(sys.argv[2]), sys.argv[3])
else:
    join(*sys.argv[2:])
