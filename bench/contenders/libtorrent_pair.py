"""One libtorrent session seeds a file to another in a second process, over loopback: python3 libtorrent_pair.py <tcp|encrypted|utp> <file>

Prints {"bytes": .., "seconds": ..}, from the first payload to the last piece hashed and written.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time

import libtorrent

PORT = 0
DEADLINE_SECONDS = 120


def session(kind):
    utp, tcp = kind == 'utp', kind != 'utp'
    policy = libtorrent.enc_policy.forced if kind == 'encrypted' else libtorrent.enc_policy.disabled
    return libtorrent.session({
        'listen_interfaces': '127.0.0.1:0',
        'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
        'enable_outgoing_utp': utp, 'enable_incoming_utp': utp, 'enable_outgoing_tcp': tcp, 'enable_incoming_tcp': tcp,
        'out_enc_policy': policy, 'in_enc_policy': policy,
        'allowed_enc_level': libtorrent.enc_level.rc4 if kind == 'encrypted' else libtorrent.enc_level.plaintext,
        'prefer_rc4': kind == 'encrypted',
        'allow_multiple_connections_per_ip': True, 'send_buffer_watermark': 4 << 20, 'max_out_request_queue': 2000,
        'alert_mask': 0, 'peer_connect_timeout': 5,
    })


def torrent_of(path):
    storage = libtorrent.file_storage()
    libtorrent.add_files(storage, path)
    torrent = libtorrent.create_torrent(storage)
    libtorrent.set_piece_hashes(torrent, os.path.dirname(path))
    return libtorrent.bencode(torrent.generate())


def add(session, torrent, folder, seeding):
    flags = libtorrent.torrent_flags.seed_mode if seeding else libtorrent.torrent_flags.default_flags
    info = libtorrent.torrent_info(libtorrent.bdecode(torrent))
    handle = session.add_torrent({'ti': info, 'save_path': folder, 'flags': flags})
    handle.unset_flags(libtorrent.torrent_flags.auto_managed)
    handle.resume()
    return handle


def seed(kind, torrent, folder, pipe):
    own = session(kind)
    add(own, torrent, folder, True)
    while own.listen_port() == 0:
        time.sleep(0.05)
    pipe.send(own.listen_port())
    pipe.recv()


def main(kind, path):
    torrent = torrent_of(path)
    here, there = multiprocessing.Pipe()
    seeder = multiprocessing.Process(target=seed, args=(kind, torrent, os.path.dirname(path), there), daemon=True)
    seeder.start()
    port = here.recv()
    with tempfile.TemporaryDirectory() as folder:
        own = session(kind)
        handle = add(own, torrent, folder, False)
        handle.connect_peer(('127.0.0.1', port))
        begun, deadline = None, time.monotonic() + DEADLINE_SECONDS
        while True:
            status = handle.status()
            now = time.monotonic()
            if begun is None and status.total_payload_download > 0:
                begun = now
            if status.is_seeding or now > deadline:
                break
            time.sleep(0.01)
        done = status.total_payload_download
        print(json.dumps({'bytes': done, 'seconds': now - (begun or now)}))
    seeder.terminate()


main(sys.argv[1], os.path.abspath(sys.argv[2]))
