// Requests of SFTP as operations: what each does, on which paths, and how it is written once the paths are the host's own.

import type { Facts, PlaceUse } from '../../contract.ts';
import type { SshReader } from '../wire/message.ts';
import { attributes, type Details, opening } from './details.ts';
import { Fxp, fieldsOf, Open, packet, Status } from './packet.ts';

export interface PathUse {
  readonly path: Buffer;
  /** The link itself is meant, not what it leads to: only its directory is resolved. */
  readonly itself: boolean;
}

export interface FileRequest {
  readonly id: number;
  readonly does: readonly string[];
  /** The verb that begins the operation's text. */
  readonly verb: string;
  readonly paths: readonly PathUse[];
  /** A name that stands before them in the text, and is not resolved: what a link says. */
  readonly says?: Buffer;
  /** How it is done, where there is more than one way. */
  readonly details: Details;
  /** The same request on these paths. */
  rewrite(paths: readonly Buffer[]): Buffer;
}

/** How a request is treated: decided, passed (it tells names and sizes only, or uses a handle that was decided), or refused. */
export type Treatment = FileRequest | 'pass' | Refused;

/** Not asked of the host: a status of SFTP, and why in words. */
export interface Refused {
  readonly code: number;
  readonly why: string;
}

const UNKNOWN: Refused = { code: Status.UNSUPPORTED, why: 'hoopctl: this request is not known, and refused' };
/** A host takes a path to end there: it would use another one than was decided. */
const WITH_NUL: Refused = {
  code: Status.FAILURE,
  why: 'hoopctl: the path has a NUL byte in it, and is refused for that',
};

const PASSED: ReadonlySet<number> = new Set([
  Fxp.CLOSE,
  Fxp.READ,
  Fxp.WRITE,
  Fxp.LSTAT,
  Fxp.FSTAT,
  Fxp.READDIR,
  Fxp.REALPATH,
  Fxp.STAT,
  Fxp.READLINK,
]);

const PASSED_EXTENSIONS: ReadonlySet<string> = new Set([
  'fsync@openssh.com',
  'statvfs@openssh.com',
  'fstatvfs@openssh.com',
  'limits@openssh.com',
  'expand-path@openssh.com',
  'home-directory',
  'users-groups-by-id@openssh.com',
]);

export function treatmentOf(raw: Buffer): Treatment {
  const type = raw[4]!;
  if (PASSED.has(type)) return 'pass';
  const request = requestOf(type, raw);
  if (typeof request === 'string' || 'why' in request) return request;
  const names = [...request.paths.map(({ path }) => path), ...(request.says === undefined ? [] : [request.says])];
  return names.some((name) => name.includes(0)) ? WITH_NUL : request;
}

function requestOf(type: number, raw: Buffer): Treatment {
  const reader = fieldsOf(raw);
  const id = reader.uint32();
  switch (type) {
    case Fxp.OPEN:
      return open(type, id, reader);
    case Fxp.OPENDIR:
      return one(type, id, reader, 'list', 'sftp-list', false);
    case Fxp.REMOVE:
      return one(type, id, reader, 'remove', 'sftp-remove', true);
    case Fxp.RMDIR:
      return one(type, id, reader, 'rmdir', 'sftp-remove', true);
    case Fxp.MKDIR:
      return one(type, id, reader, 'mkdir', 'sftp-mkdir', true);
    case Fxp.SETSTAT:
      return one(type, id, reader, 'setstat', 'sftp-setstat', false);
    // Decided by the path of its handle, also one that was opened for reading: mode and owner can be changed by that too.
    case Fxp.FSETSTAT:
      return 'pass';
    case Fxp.RENAME:
      return two(type, id, reader, 'rename', 'sftp-rename');
    case Fxp.SYMLINK:
      return link(type, id, reader);
    case Fxp.EXTENDED:
      return extended(id, reader);
    default:
      return UNKNOWN;
  }
}

const BY_HANDLE: ReadonlySet<number> = new Set([Fxp.CLOSE, Fxp.READ, Fxp.WRITE, Fxp.FSTAT, Fxp.FSETSTAT, Fxp.READDIR]);

/** The handles that a request uses, latin1. */
export function handlesOf(raw: Buffer): string[] {
  const reader = fieldsOf(raw);
  reader.uint32();
  const handle = () => reader.blob().toString('latin1');
  if (BY_HANDLE.has(raw[4]!)) return [handle()];
  const name = raw[4] === Fxp.EXTENDED ? reader.text() : '';
  if (name === 'fsync@openssh.com' || name === 'fstatvfs@openssh.com') return [handle()];
  if (name !== 'copy-data') return [];
  const from = handle();
  reader.bytes(16);
  return [from, handle()];
}

/** FSETSTAT of a handle for this path. */
export function attributesOf(raw: Buffer, path: Buffer): FileRequest {
  const whole = Buffer.from(raw);
  const reader = fieldsOf(whole);
  const id = reader.uint32();
  reader.blob();
  const details = attributes(reader.rest());
  return {
    id,
    does: ['sftp-setstat'],
    verb: 'setstat',
    paths: [{ path, itself: false }],
    details,
    rewrite: () => whole,
  };
}

/** `paths`: as the host resolves them, or as they came. */
export function factsOf({ does }: FileRequest, paths: readonly string[]): Facts {
  return { does, relations: [], functions: [], places: placesOf(does, paths), unbounded: false };
}

export function placesOf(does: readonly string[], paths: readonly string[]): readonly PlaceUse[] {
  const written = does.some((word) => word !== 'sftp-read' && word !== 'sftp-list');
  const read = does.includes('sftp-read') || does.includes('sftp-list');
  return paths.map((place) => ({ place, read, written }));
}

function open(type: number, id: number, reader: SshReader): FileRequest {
  const path = Buffer.from(reader.blob());
  const rest = Buffer.from(reader.rest());
  const flags = rest.length >= 4 ? rest.readUInt32BE(0) : 0;
  const reads = (flags & Open.READ) !== 0;
  const writes = (flags & (Open.WRITE | Open.APPEND | Open.CREATE | Open.TRUNCATE)) !== 0;
  const does = [...(reads || !writes ? ['sftp-read'] : []), ...(writes ? ['sftp-write'] : [])];
  return {
    id,
    does,
    verb: writes ? (reads ? 'update' : 'write') : 'read',
    paths: [{ path, itself: false }],
    details: [...opening(flags), ...attributes(rest.subarray(4))],
    rewrite: ([to]) => packet(type, (out) => out.uint32(id).blob(to!).bytes(rest)),
  };
}

function one(type: number, id: number, reader: SshReader, verb: string, does: string, itself: boolean): FileRequest {
  const path = Buffer.from(reader.blob());
  const rest = Buffer.from(reader.rest());
  return {
    id,
    does: [does],
    verb,
    paths: [{ path, itself }],
    details: attributes(rest),
    rewrite: ([to]) => packet(type, (out) => out.uint32(id).blob(to!).bytes(rest)),
  };
}

function two(type: number, id: number, reader: SshReader, verb: string, does: string): FileRequest {
  const [from, to] = [Buffer.from(reader.blob()), Buffer.from(reader.blob())];
  return {
    id,
    does: [does],
    verb,
    paths: [
      { path: from, itself: true },
      { path: to, itself: true },
    ],
    details: [],
    rewrite: ([a, b]) => packet(type, (out) => out.uint32(id).blob(a!).blob(b!)),
  };
}

/** OpenSSH sends the target first, the link second (its PROTOCOL §4.1). What the target says stays as it is. */
function link(type: number, id: number, reader: SshReader): FileRequest {
  const [target, path] = [Buffer.from(reader.blob()), Buffer.from(reader.blob())];
  return {
    id,
    does: ['sftp-link'],
    verb: 'symlink',
    says: target,
    paths: [{ path, itself: true }],
    details: [],
    rewrite: ([to]) => packet(type, (out) => out.uint32(id).blob(target).blob(to!)),
  };
}

function extended(id: number, reader: SshReader): Treatment {
  const name = reader.text();
  if (PASSED_EXTENSIONS.has(name)) return 'pass';
  const again = (verb: string, does: string, count: 1 | 2, itself: boolean): FileRequest => {
    const paths = Array.from({ length: count }, () => ({ path: Buffer.from(reader.blob()), itself }));
    const rest = Buffer.from(reader.rest());
    return {
      id,
      does: [does],
      verb,
      paths,
      details: [...(count === 2 ? [['by', name] as const] : []), ...attributes(rest)],
      rewrite: (resolved) =>
        packet(Fxp.EXTENDED, (out) => {
          out.uint32(id).text(name);
          for (const path of resolved) out.blob(path);
          out.bytes(rest);
        }),
    };
  };
  switch (name) {
    case 'posix-rename@openssh.com':
      return again('rename', 'sftp-rename', 2, true);
    case 'hardlink@openssh.com':
      return again('hardlink', 'sftp-link', 2, true);
    case 'lsetstat@openssh.com':
      return again('setstat', 'sftp-setstat', 1, true);
    // Between two handles, each decided when it was opened.
    case 'copy-data':
      return 'pass';
    default:
      return UNKNOWN;
  }
}
