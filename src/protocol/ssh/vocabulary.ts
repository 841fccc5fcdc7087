// The words of rules for SSH. One operation is one command, shell, file operation or forwarding.

import type { Vocabulary } from '../contract.ts';

export const VOCABULARY: Vocabulary = {
  does: {
    shell: 'an interactive shell: what is typed in it is recorded, not decided',
    exec: 'one command, also one of a shell that asks (options.shell: commands)',
    command: 'one command of a shell that asks',
    subsystem: 'a subsystem by its name',
    sftp: 'the start of a file transfer by sftp or scp',
    'sftp-read': 'a file opened for reading',
    'sftp-write': 'a file opened for writing',
    'sftp-list': 'a directory listed',
    'sftp-remove': 'a file or directory removed',
    'sftp-rename': 'a file or directory renamed',
    'sftp-mkdir': 'a directory made',
    'sftp-link': 'a symbolic or hard link made',
    'sftp-setstat': 'owner, permissions, size or times of a path set',
    forward: 'a connection through the host to another address (-L, -D, -W)',
    'forward-unix': 'a connection to a Unix socket of the host (-L with a path)',
    'forward-remote': 'a port that the host listens on for the client (-R), and each connection to it',
    'forward-remote-unix':
      'a Unix socket that the host listens on for the client (-R with a path), and each connection to it',
    'agent-forwarding': "the client's agent, usable on the host",
    x11: "the client's display, usable on the host",
  },
  objects: [],
  has: ['programs', 'places'],
  opaque: ['shell', 'forward', 'forward-unix', 'forward-remote', 'forward-remote-unix'],
  dangerous: { functions: [], does: ['agent-forwarding', 'x11'], objects: [] },
};
