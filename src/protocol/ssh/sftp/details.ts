// How a file is opened, and which attributes are set: what a request does beside its verb and its paths, for people.

import { SshReader } from '../wire/message.ts';
import { Open } from './packet.ts';

/** What it is, and its value. */
export type Details = readonly (readonly [form: string, value: string])[];

const WAYS: readonly (readonly [bit: number, word: string])[] = [
  [Open.APPEND, 'append'],
  [Open.CREATE, 'create'],
  [Open.TRUNCATE, 'truncate'],
  [0x20, 'exclusive'],
];

/** Of OPEN's pflags, beside reading and writing. */
export function opening(flags: number): Details {
  const words = WAYS.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => word);
  return words.length === 0 ? [] : [['open', words.join(', ')]];
}

/** ATTRS (draft-ietf-secsh-filexfer-02 §5): what is not understood is there as hex. */
export function attributes(bytes: Buffer): Details {
  if (bytes.length === 0) return [];
  const out: (readonly [string, string])[] = [];
  try {
    const reader = new SshReader(bytes, 0, bytes.length, 'ATTRS');
    const flags = reader.uint32();
    if ((flags & 1) !== 0) out.push(['size', String(reader.bytes(8).readBigUInt64BE())]);
    if ((flags & 2) !== 0) out.push(['owner', `${reader.uint32()}:${reader.uint32()}`]);
    if ((flags & 4) !== 0) out.push(['mode', (reader.uint32() & 0o7777).toString(8).padStart(4, '0')]);
    if ((flags & 8) !== 0) out.push(['times', `${moment(reader.uint32())} ${moment(reader.uint32())}`]);
    if (reader.left > 0 || (flags & ~0xf) !== 0)
      out.push(['further attributes', `\\x${reader.rest().toString('hex')}`]);
    return out;
  } catch {
    return [['attributes', `\\x${bytes.toString('hex')}`]];
  }
}

const moment = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000', '');
